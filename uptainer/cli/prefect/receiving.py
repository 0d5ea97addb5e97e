"""Receiving webhooks in this process: the sources are Prefect's blocks, and a push becomes an event of Prefect's."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import httpx
import uvicorn
from prefect.client.orchestration import get_client
from prefect.events.schemas.events import Event, Resource
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

from blocks.loading import load_each
from blocks.webhook_source import WebhookSource
from deployments import automations
from uptainer.cli.prefect.registration import register_automations
from uptainer.cli.prefect.requests import plain_errors
from uptainer.core.clock import utc_now
from uptainer.core.errors import InvalidInputError, NotFoundError, RateLimitedError, UnreachableError
from uptainer.core.pushes import EVENT, Push
from uptainer.core.settings import Settings
from uptainer.fleet.pushed import running
from uptainer.store.database import Database
from uptainer.webhooks.connections import CLOSING, BriefConnection
from uptainer.webhooks.proofs import Source
from uptainer.webhooks.receiver import Receiver

logger = logging.getLogger(__name__)

FRESH_SECONDS = 10.0
"""How long the sources are remembered: one that is made or changed counts after this."""
CALL_SECONDS = 5.0
MOST_AT_ONCE = 64
MOST_WAITING = 200
"""Checks of what was pushed that have not begun: of each repository there is one at most."""


@dataclass(slots=True)
class Sources:
    """The blocks, asked for again after a while. One that is wrong is left out, and the log says so."""

    clock: Callable[[], float] = time.monotonic
    _known: Mapping[str, Source] = field(default_factory=dict)
    _until: float = float("-inf")

    async def read(self) -> Mapping[str, Source]:
        """Raises UnreachableError when the Prefect server does not answer in time."""
        if self.clock() < self._until:
            return self._known
        try:
            async with asyncio.timeout(CALL_SECONDS):
                with plain_errors():
                    found = await load_each(WebhookSource)
        except TimeoutError as error:
            raise UnreachableError("the Prefect server does not answer") from error
        for name, each in found.items():
            if isinstance(each, InvalidInputError):
                logger.warning("the webhook source %s is left out: %s", name, each)
        self._known = {name: each.source() for name, each in found.items() if isinstance(each, WebhookSource)}
        self._until = self.clock() + FRESH_SECONDS
        return self._known


async def announce(pushes: Sequence[Push]) -> None:
    """An event for each on the Prefect server, whose automation starts the check, where none waits to begin.

    Raises:
        RateLimitedError: as many checks wait as may.
        UnreachableError: the server did not take them.
    """
    try:
        async with asyncio.timeout(CALL_SECONDS), get_client() as client:
            waiting = await automations.waiting(client, MOST_WAITING)
            if len(waiting | {each.repository for each in pushes}) > MOST_WAITING:
                raise RateLimitedError(f"{len(waiting)} checks of what was pushed wait already")
            events = [_event(each, waits=each.repository in waiting) for each in pushes]
            await client.request("POST", "/events", json=[each.model_dump(mode="json") for each in events])
    except (TimeoutError, httpx.TransportError, PrefectHTTPStatusError, RuntimeError) as error:
        raise UnreachableError(f"the Prefect server did not take the events: {error}") from error


def serve(settings: Settings, database: Database) -> None:
    """Receive until SIGINT or SIGTERM.

    Raises:
        InvalidInputError: no port is set.
        NotFoundError: the Prefect server does not have the deployments.
        UnreachableError: the Prefect server does not answer.
    """
    if settings.webhook_port is None:
        raise InvalidInputError("set UPTAINER_WEBHOOK_PORT to the port that webhooks are received on")
    with plain_errors():
        asyncio.run(_register())
    _log_to_stderr()

    async def here(repositories: Sequence[str]) -> frozenset[str]:
        return await asyncio.to_thread(running, database, repositories)

    receiver = Receiver(Sources().read, here, announce)
    config = uvicorn.Config(
        receiver.app(),
        host=settings.webhook_host,
        port=settings.webhook_port,
        access_log=False,  # an address may have a secret in it
        log_config=None,
        lifespan="off",
        http=BriefConnection,
        ws="none",
        headers=[CLOSING],
        limit_concurrency=MOST_AT_ONCE,
        server_header=False,
        timeout_graceful_shutdown=5,
    )
    uvicorn.Server(config).run()


def _log_to_stderr() -> None:
    """What was pushed, and what went wrong; Prefect has handlers of its own, which say less."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    for name, level in (("uptainer", logging.INFO), ("uvicorn", logging.WARNING)):
        log = logging.getLogger(name)
        log.addHandler(handler)
        log.setLevel(level)
        log.propagate = False


async def _register() -> None:
    try:
        async with get_client() as client:
            await register_automations(client)
    except ObjectNotFound as error:
        raise NotFoundError(
            "the Prefect server has no deployment check-pushed: `uptainer up` or `prefect deploy --all` makes it"
        ) from error


def _event(push: Push, *, waits: bool) -> Event:
    name = push.repository
    return Event(
        event=EVENT,
        resource=Resource(
            {
                "prefect.resource.id": f"uptainer.reference/{name}",
                "prefect.resource.name": name,
                automations.CHECK_LABEL: automations.WAITING if waits else automations.WANTED,
            }
        ),
        occurred=utc_now(),
        payload={"reference": str(push.reference), "repository": name, "source": push.source},
    )
