"""`uptainer up`: what is started, in which order, and stopped in the reverse."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from types import FrameType

from pydantic import SecretStr

from uptainer.cli.screen import Screen
from uptainer.console import lock, orphans, prefect_server, record, webhook_receiver
from uptainer.console.children import Child
from uptainer.console.databases import opened
from uptainer.core.clock import utc_now
from uptainer.core.settings import Settings
from uptainer.scanning.server import TrivyServer
from uptainer.store import schema

_ENDING = (signal.SIGTERM, signal.SIGHUP)


def run(settings: Settings) -> None:
    """Start everything and stay until Ctrl-C, SIGTERM or SIGHUP; then stop everything.

    Raises:
        UptainerError: something could not be started; what was started before it is stopped again.
    """
    screen = Screen()
    with lock.hold(settings.data_dir), _interrupted_by_signals(), ExitStack() as started:
        try:
            _start(settings, screen, started)
        except KeyboardInterrupt:
            screen.say("Stopping.")
        finally:
            _ignore_further_signals()
    screen.say("Everything is stopped.")


def _start(settings: Settings, screen: Screen, started: ExitStack) -> None:
    prefect_server.check_listening(settings)
    webhook_receiver.check_listening(settings)
    orphans.end(settings.data_dir)
    with screen.step("starting the database"):
        databases = started.enter_context(opened(settings))
    started.callback(lambda: asyncio.run(TrivyServer(settings.data_dir, binary=settings.trivy_path).stop()))
    environment = prefect_server.environment(settings, prefect_database_url=databases.prefect_url)
    server = prefect_server.start(settings, environment)
    started.callback(server.stop)
    with screen.step("bringing the tables up to date"):
        schema.upgrade(databases.url)
    settings = settings.model_copy(update={"database_url": SecretStr(databases.url)})
    _set_environment(settings, environment)
    with screen.step("starting the Prefect server"):
        from uptainer.cli.prefect.registration import load_deployments  # noqa: PLC0415 -- it reads the environment that was just set
        from uptainer.cli.prefect.serving import serve  # noqa: PLC0415 -- as above

        served = load_deployments()  # while the server starts
        prefect_server.wait_until_ready(server, settings, environment)
    started.callback(record.remove, settings.data_dir)
    ready = partial(_write_record, settings, server)
    asyncio.run(serve(settings, server, served, screen, embedded=databases.embedded, on_ready=ready))


def _set_environment(settings: Settings, prefect: dict[str, str]) -> None:
    """This process's own, and so that of every flow run that it starts."""
    prefect_server.adopt(prefect)
    os.environ.update(settings.variables())
    os.environ["UPTAINER_DATA_DIR"] = str(
        settings.data_dir
    )  # said even where it is the default: orphans are known by it


def _write_record(settings: Settings, server: Child) -> None:
    record.Record(
        pid=os.getpid(),
        started_at=utc_now(),
        url=prefect_server.url(settings),
        database_url=record.database_url(settings),
        processes={"uptainer up": os.getpid(), "Prefect server": server.process.pid},
    ).write(settings.data_dir)


@contextmanager
def _interrupted_by_signals() -> Iterator[None]:
    """SIGTERM and a closed terminal end the system as Ctrl-C does."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in _ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ignore_further_signals() -> None:
    """Stopping takes seconds, and a second Ctrl-C in the middle of it would leave processes behind."""
    for number in (signal.SIGINT, *_ENDING):
        signal.signal(number, signal.SIG_IGN)
