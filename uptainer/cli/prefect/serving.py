"""Serving the flows in this process, and the first look at the fleet."""

import asyncio
import logging
import signal
from collections.abc import Callable, Sequence
from typing import Any

from prefect.client.orchestration import get_client
from prefect.deployments.runner import RunnerDeployment
from prefect.runner import Runner

from tasks import schedules
from uptainer.cli.prefect import first_look, leftovers, registration
from uptainer.cli.screen import Screen
from uptainer.console import webhook_receiver
from uptainer.console.children import Child
from uptainer.console.logs import bound
from uptainer.console.prefect_server import url
from uptainer.console.record import database_url
from uptainer.core.errors import TemporaryError, UptainerError
from uptainer.core.settings import Settings
from uptainer.scanning.server import TrivyServer
from uptainer.store.database import Database
from uptainer.store.embedded import EmbeddedPostgres

logger = logging.getLogger(__name__)

WATCH_SECONDS = 10.0
SERVER_SECONDS = 1.0
"""Sooner than Prefect's runner gives up a server that is gone, and says so on a page of the log."""
_STARTING_SECONDS = 0.05
TRIVY_AGAIN_SECONDS = 900.0
RECEIVER_SECONDS = 5.0
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def serve(
    settings: Settings,
    server: Child,
    served: Sequence[RunnerDeployment],
    screen: Screen,
    *,
    embedded: EmbeddedPostgres | None,
    on_ready: Callable[[], None],
) -> None:
    """Register, serve, look once, and stay until a signal ends it; flow runs in progress are stopped then.

    Raises:
        TemporaryError: the Prefect server has ended by itself.
    """
    ended = asyncio.Event()
    runner = _runner(settings)
    with screen.step("registering blocks and deployments"):
        async with get_client() as client:
            await registration.register_blocks(client)
            deployments = await registration.register_deployments(runner, served)
            await registration.register_automations(client)
            await leftovers.settle(client, deployments)
            await asyncio.to_thread(_follow_windows, settings)
    asyncio.get_running_loop().set_exception_handler(_log_shortly)
    serving = asyncio.create_task(runner.start())
    await asyncio.sleep(0)
    _end_on_signals(ended)  # after the runner has set its own handlers, which would leave at once
    while not (runner.started or serving.done() or ended.is_set()):  # noqa: ASYNC110 -- the runner has no event for it
        await asyncio.sleep(_STARTING_SECONDS)
    if runner.started:
        on_ready()
        screen.say(f"Uptainer is up: {url(settings)} (Ctrl-C stops it)")
    beside = [
        asyncio.create_task(_keep_receiver(settings, screen)),
        asyncio.create_task(_keep_database(embedded, screen)),
        asyncio.create_task(_keep_trivy(settings, screen)),
        asyncio.create_task(first_look.look(settings, screen)),
    ]
    watching = asyncio.create_task(_watch(server))
    waiting = asyncio.create_task(ended.wait())
    try:
        await asyncio.wait({serving, watching, waiting}, return_when=asyncio.FIRST_COMPLETED)
        server.check()  # whatever else has failed, fails for that
    finally:
        for task in (*beside, waiting):
            task.cancel()
        await asyncio.wait(beside)
        await _stop(runner, serving)
        watching.cancel()
    if not serving.cancelled():
        serving.result()


def _runner(settings: Settings) -> Runner:
    runner = Runner(name="uptainer", pause_on_shutdown=False, limit=settings.max_runs)
    # By default it is below one directory in /tmp, which belongs to the first user of the machine who ran a Prefect.
    runner._tmp_dir = settings.data_dir / "prefect" / "runner"  # noqa: SLF001 -- no parameter says it
    return runner


def _follow_windows(settings: Settings) -> None:
    database = Database(database_url(settings))
    try:
        schedules.follow_windows(database)
    finally:
        database.dispose()


def _log_shortly(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What a callback of Prefect's runner meets when its server goes away is a line of the log, not a page of it."""
    logger.debug("%s: %r", context.get("message"), context.get("exception"))


async def _stop(runner: Runner, serving: asyncio.Task[None]) -> None:
    if runner.started:
        await runner.astop()
    serving.cancel()
    await asyncio.wait({serving})


def _end_on_signals(ended: asyncio.Event) -> None:
    for number in _ENDING:
        asyncio.get_running_loop().add_signal_handler(number, ended.set)


async def _watch(server: Child) -> None:
    """Raises TemporaryError when the server ends; keeps its log within bounds until then."""
    while True:
        server.check()
        bound(server.log)
        await asyncio.sleep(SERVER_SECONDS)


async def _keep_database(embedded: EmbeddedPostgres | None, screen: Screen) -> None:
    """Start the embedded PostgreSQL again where it has ended; what was under way meanwhile tries again by itself."""
    said = ""
    while embedded is not None:
        await asyncio.sleep(WATCH_SECONDS)
        try:
            if not await asyncio.to_thread(_is_running, embedded):
                await asyncio.to_thread(embedded.start)
                said = _say_once(screen, "", "The database had ended, and was started again.")
        except UptainerError as error:
            said = _say_once(screen, said, f"The database does not run: {error}")


def _is_running(embedded: EmbeddedPostgres) -> bool:
    return embedded.is_running


async def _keep_trivy(settings: Settings, screen: Screen) -> None:
    """Have a Trivy server while we are up, where there is a Trivy; the download of its database may take minutes."""
    trivy = TrivyServer(settings.data_dir, binary=settings.trivy_path)
    said = ""
    while settings.trivy_server is None:
        try:
            await trivy.start()
            said, pause = "", WATCH_SECONDS
        except TemporaryError as error:
            said, pause = _say_once(screen, said, f"Scans wait: {error}"), TRIVY_AGAIN_SECONDS
        except UptainerError as error:
            screen.say(f"Scans are unavailable: {error}")
            return
        await asyncio.sleep(pause)


async def _keep_receiver(settings: Settings, screen: Screen) -> None:
    """Receive webhooks while we are up, where that is switched on; the receiver is started again when it ends."""
    said = ""
    while webhook_receiver.is_wanted(settings):
        child = webhook_receiver.start(settings)
        try:
            await _watch(child)
        except TemporaryError as error:
            said = _say_once(screen, said, f"Webhooks are not received: {error}")
        finally:
            child.stop(RECEIVER_SECONDS)
        await asyncio.sleep(WATCH_SECONDS)


def _say_once(screen: Screen, said: str, sentence: str) -> str:
    if sentence != said:
        screen.say(sentence)
    return sentence
