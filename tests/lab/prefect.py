"""A real Prefect server on a free loopback port, with a home and a database of its own."""

import os
import shutil
import subprocess
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx

from tests.lab.room import Room, free_port, start_process, stop_process, wait_until

QUIET: Mapping[str, str] = MappingProxyType(
    {
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
    }
)
"""Nothing is sent anywhere, and no flow starts a server by itself because a test forgot to ask for one."""

_SERVER = {
    "PREFECT_UI_API_URL": "/api",
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
    "PREFECT_RUNNER_POLL_FREQUENCY": "1",
    "PREFECT_WORKER_QUERY_SECONDS": "1",
}


_PROGRAM = str(Path(sysconfig.get_path("scripts")) / "prefect")
_DATABASE = "prefect.db"


@cache
def _made_tables(room: Room) -> Path:
    database = room.directory("prefect-tables") / _DATABASE
    command = [_PROGRAM, "server", "database", "upgrade", "--yes"]
    where = {
        "PREFECT_HOME": str(database.parent),
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{database}",
    }
    subprocess.run(
        command, env={**os.environ, **QUIET, **where}, check=True, capture_output=True, timeout=180
    )
    return database


def put_tables(room: Room, directory: Path) -> None:
    """Begin a server's database with all its tables: a server needs ten seconds to make them, and a copy nothing."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.copyfile(_made_tables(room), directory / _DATABASE)


def prefect_client(api_url: str, *, login: tuple[str, str] | None = None) -> httpx.Client:
    """Its server closes what was idle for five seconds, and a request just then would meet a reset.

    And it waits a minute for its SQLite before it says that this was busy.
    """
    return httpx.Client(
        base_url=api_url, timeout=120, auth=login, limits=httpx.Limits(max_keepalive_connections=0)
    )


def when_not_busy(ask: Callable[[], httpx.Response]) -> httpx.Response:
    """Ask until the server's SQLite has time for it, and it says something else than 503."""
    answers: list[httpx.Response] = []

    def is_answered() -> bool:
        answers.append(ask())
        return answers[-1].status_code != httpx.codes.SERVICE_UNAVAILABLE

    wait_until(is_answered, what="Prefect's SQLite was not free", timeout=240, pause=0.5)
    return answers[-1]


def request_run(client: httpx.Client, flow: str, parameters: Mapping[str, Any] | None = None) -> str:
    """Ask for a run of a flow's deployment; its id."""
    deployment = client.get(f"/deployments/name/{flow}/{flow}").raise_for_status().json()["id"]
    path, body = f"/deployments/{deployment}/create_flow_run", {"parameters": {**(parameters or {})}}
    answer = when_not_busy(partial(client.post, path, json=body))
    return str(answer.raise_for_status().json()["id"])


class PrefectServer:
    """`env` is what a child process needs to speak to it: PREFECT_API_URL, PREFECT_HOME and the rest."""

    def __init__(self, room: Room) -> None:
        self.home: Path = room.directory("prefect")
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.api_url = f"{self.url}/api"
        self.log = self.home / "server.log"
        self.env: dict[str, str] = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")},
            **QUIET,
            **_SERVER,
            "PREFECT_HOME": str(self.home),
            "PREFECT_API_URL": self.api_url,
        }
        put_tables(room, self.home)
        command = [_PROGRAM, "server", "start", "--host", "127.0.0.1", "--port", str(self.port)]
        self._process = start_process(command, log=self.log, env=self.env)
        try:
            wait_until(self._answers, what=f"the Prefect server did not answer (see {self.log})", timeout=180)
        except TimeoutError:
            self.close()
            raise

    def client(self) -> httpx.Client:
        return prefect_client(self.api_url)

    @contextmanager
    def settings(self) -> Iterator[None]:
        """Within, Prefect's clients and flows in this process use this server."""
        from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings  # noqa: PLC0415 -- takes a second, and most tests need no Prefect

        with temporary_settings({PREFECT_API_URL: self.api_url, PREFECT_HOME: self.home}):
            yield

    def close(self) -> None:
        stop_process(self._process, timeout=15)

    def _answers(self) -> bool:
        if self._process.poll() is not None:
            raise TimeoutError(f"the Prefect server ended: {self.log.read_text(errors='replace')[-500:]}")
        try:
            return httpx.get(f"{self.api_url}/health", timeout=2).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False
