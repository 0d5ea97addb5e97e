"""Telling people what happened: at the end of a run, and by `notify` every five minutes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from prefect.exceptions import PrefectException
from prefect.logging import get_run_logger

from flows.sweeping import Swept, sweep
from tasks.notices import plan_telling, tell_notifier
from tasks.progress import read_progress
from uptainer.core.errors import UptainerError
from uptainer.fleet.telling import Told

SECONDS = 1.0


async def tell_people() -> Swept[str, Told]:
    """Notifiers side by side; one that does not take its notices stops neither the others nor the run."""
    return await sweep(await plan_telling(), tell_notifier)


@asynccontextmanager
async def start_told(update_id: int) -> AsyncIterator[None]:
    """Within, people are told that the update has begun as soon as it has; what is wrong with that stops nothing."""
    over = asyncio.Event()
    watching = asyncio.create_task(_tell_of_start(update_id, over))
    try:
        yield
    finally:
        over.set()
        await watching


async def _tell_of_start(update_id: int, over: asyncio.Event) -> None:
    try:
        while not over.is_set():
            if (await read_progress(update_id)).said:
                await tell_people()
                return
            await asyncio.sleep(SECONDS)
    except (UptainerError, PrefectException, httpx.HTTPError) as error:
        get_run_logger().warning("nobody could be told that it has begun: %s", error)
