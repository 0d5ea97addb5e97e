"""What the page of an update's run shows while it is carried out: how far it is, and each step as it begins."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from uuid import UUID

import httpx
from prefect.artifacts import acreate_progress_artifact, aupdate_progress_artifact
from prefect.exceptions import PrefectException
from prefect.logging import get_run_logger

from tasks.progress import read_progress
from uptainer.core.errors import UptainerError
from uptainer.updates.markdown import plain
from uptainer.updates.progress import Progress

SECONDS = 1.0
_UNSHOWN = (UptainerError, PrefectException, httpx.HTTPError)
"""What can go wrong with showing it; the update goes on all the same."""


@asynccontextmanager
async def shown(update_id: int, title: str) -> AsyncIterator[None]:
    """Show the progress of an update for as long as this is open, and where it stands at the end."""
    page = _Page(update_id, title)
    watching = asyncio.create_task(page.keep())
    try:
        yield
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        await page.show()


class _Page:
    """The progress artifact `update-ID-progress`, and what was said in the log so far."""

    def __init__(self, update_id: int, title: str) -> None:
        self._update_id = update_id
        self._title = title
        self._artifact: UUID | None = None
        self._shown: Progress | None = None

    async def keep(self) -> None:
        while True:
            await self.show()
            await asyncio.sleep(SECONDS)

    async def show(self) -> None:
        try:
            progress = await read_progress(self._update_id)
            if progress != self._shown:
                await self._publish(progress)
        except _UNSHOWN as error:
            get_run_logger().warning("the progress could not be shown: %s", error)

    async def _publish(self, progress: Progress) -> None:
        for sentence in progress.said:
            if self._shown is None or sentence not in self._shown.said:
                get_run_logger().info(sentence)
        self._shown = progress
        said = plain(f"{self._title}: {progress.doing}", limit=2000)
        if self._artifact is None:
            key = f"update-{self._update_id}-progress"
            self._artifact = await acreate_progress_artifact(progress.percent, key=key, description=said)
        else:
            await aupdate_progress_artifact(self._artifact, progress.percent, description=said)
