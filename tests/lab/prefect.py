"""A real Prefect server on a free loopback port, with a home and a database of its own."""

import os
import sysconfig
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

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


def prefect_client(api_url: str, *, login: tuple[str, str] | None = None) -> httpx.Client:
    """Its server closes what was idle for five seconds, and a request just then would meet a reset."""
    return httpx.Client(
        base_url=api_url, timeout=30, auth=login, limits=httpx.Limits(max_keepalive_connections=0)
    )


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
        prefect = str(Path(sysconfig.get_path("scripts")) / "prefect")
        command = [prefect, "server", "start", "--host", "127.0.0.1", "--port", str(self.port)]
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
