"""The Trivy server that Uptainer runs for itself, where none is configured: one for each data directory."""

import fcntl
import json
import os
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import anyio
import httpx

from uptainer.core.errors import BusyError, UnreachableError, UptainerError
from uptainer.scanning import processes
from uptainer.scanning.binary import find_trivy
from uptainer.scanning.failures import classify
from uptainer.scanning.trivy import ServerAddress, tail

_POLL = 0.1
_BIND_ATTEMPTS = 3
_BIND_FAULT = "address already in use"
_STOP_SECONDS = 10.0
_HEALTH_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that is up. `started` tells its process from a later one with the same pid."""

    pid: int
    started: str
    url: str
    token: str = field(repr=False)
    notice: str = ""

    @property
    def address(self) -> ServerAddress:
        return ServerAddress(self.url, self.token, self.notice)


@dataclass(frozen=True, slots=True)
class TrivyServer:
    """One server below `data_dir`, whoever asks for it.

    `start` belongs into the process that stays up, in its main thread: the kernel ends the server with the thread
    that started it. Every other process finds it by `running`. `ready_within` covers the first download of the
    vulnerability database. `offline` never downloads, and needs the database in `cache_dir / "db"`.
    """

    data_dir: Path
    binary: Path | None = None
    offline: bool = False
    ready_within: timedelta = timedelta(minutes=10)

    @property
    def folder(self) -> Path:
        return self.data_dir / "trivy"

    @property
    def cache_dir(self) -> Path:
        return self.folder / "cache"

    @property
    def _state(self) -> Path:
        return self.folder / "server.json"

    def running(self) -> RunningServer | None:
        """The server of this data directory whose process lives; None when there is none.

        One that wrote its state in the form of another version of ours is none: it dies with whoever started it.
        """
        try:
            server = RunningServer(**json.loads(self._state.read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return None
        return server if processes.is_alive(server.pid, server.started) else None

    async def start(self) -> RunningServer:
        """The running server, or a new one that answers. A stale database whose update fails is used, with a notice.

        Raises:
            UnsupportedError: there is no Trivy, or `offline` and no database.
            BusyError: another process has been starting it for longer than `ready_within`.
            UnreachableError: it did not answer in time, or the database could not be downloaded.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        async with _locked(self.folder / "server.lock", self.ready_within):
            found = self.running()
            if found is not None and await _answers(found.url):
                return found
            await self.stop()
            return await self._start_somehow()

    async def stop(self) -> None:
        """End it, whichever process started it; nothing to do is well done."""
        server = self.running()
        if server is not None:
            await processes.end(server.pid, server.started, within=_STOP_SECONDS)
        self._state.unlink(missing_ok=True)

    async def _start_somehow(self) -> RunningServer:
        try:
            return await self._start(skip_update=self.offline)
        except UptainerError as error:
            if self.offline or not (self.cache_dir / "db" / "trivy.db").exists():
                raise
            server = await self._start(skip_update=True)
            return self._write(replace(server, notice=f"the vulnerability database was not updated: {error}"))

    async def _start(self, *, skip_update: bool) -> RunningServer:
        trivy, token, log = find_trivy(self.binary), secrets.token_urlsafe(32), self.folder / "server.log"
        for _ in range(_BIND_ATTEMPTS):
            port = _free_port()
            command = [
                str(trivy),
                "server",
                "--listen",
                f"127.0.0.1:{port}",
                "--cache-dir",
                str(self.cache_dir),
            ]
            command += [
                "--config",
                "",
                "--quiet",
                "--no-progress",
                *(["--skip-db-update"] if skip_update else []),
            ]
            pid = processes.spawn_dependent(
                command, environment={**os.environ, "TRIVY_TOKEN": token}, log=log
            )
            server = RunningServer(pid, processes.started(pid), f"http://127.0.0.1:{port}", token)
            if await self._is_ready(server):
                return self._write(server)
            if _BIND_FAULT not in tail(log):
                raise classify(tail(log), subject="the Trivy server")
        raise BusyError(
            f"{_BIND_ATTEMPTS} ports that were free had been taken when the Trivy server wanted them"
        )

    async def _is_ready(self, server: RunningServer) -> bool:
        """True when it answers, False when it has ended. It is ended when it is waited for no longer."""
        ready = False
        try:
            with anyio.fail_after(self.ready_within.total_seconds()):
                while processes.is_alive(server.pid, server.started) and not ready:
                    ready = await _answers(server.url)
                    await anyio.sleep(0 if ready else _POLL)
        except TimeoutError as error:
            raise UnreachableError(f"the Trivy server did not answer within {self.ready_within}") from error
        finally:
            if not ready:
                with anyio.CancelScope(shield=True):
                    await processes.end(server.pid, server.started, within=_STOP_SECONDS)
        return ready

    def _write(self, server: RunningServer) -> RunningServer:
        """Whole or not at all, and readable by us alone: the token is in it."""
        part = self._state.with_suffix(".part")
        part.unlink(missing_ok=True)
        part.touch(mode=0o600)
        part.write_text(json.dumps(asdict(server)))
        part.replace(self._state)
        return server


async def _answers(url: str) -> bool:
    try:
        async with httpx.AsyncClient(timeout=_HEALTH_SECONDS, trust_env=False) as client:
            return (await client.get(f"{url}/healthz")).is_success
    except httpx.TransportError:
        return False


@asynccontextmanager
async def _locked(path: Path, patience: timedelta) -> AsyncIterator[None]:
    with path.open("w") as file:
        try:
            with anyio.fail_after(patience.total_seconds()):
                while not _try_lock(file.fileno()):  # noqa: ASYNC110 -- a lock of another process gives no event
                    await anyio.sleep(_POLL)
        except TimeoutError as error:
            raise BusyError(f"another process has held {path} for {patience}") from error
        yield


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
