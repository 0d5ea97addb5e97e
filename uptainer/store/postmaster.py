"""The server process of the embedded PostgreSQL: what stands in its pid file, whether it lives, and its end.

Source: PostgreSQL, "Shutting Down the Server"; the pid file's lines are listed in `miscadmin.h`.
"""

import os
import signal
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from uptainer.core.errors import UnreachableError

SOCKET_NAME = ".s.PGSQL.5432"
POLL_SECONDS = 0.05
FAST_STOP_SECONDS = 30.0
KILL_SECONDS = 10.0
_LINES = 8


@dataclass(frozen=True, slots=True)
class Postmaster:
    """A server that answers. `ready` is false while it is starting, or recovering after a crash."""

    pid: int
    socket_directory: Path
    ready: bool

    @classmethod
    def of(cls, directory: Path) -> Self | None:
        """The server of this data directory; None where none runs, whatever a stale pid file says."""
        try:
            lines = (directory / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return None
        if len(lines) < _LINES or not _answers(Path(lines[4]) / SOCKET_NAME):
            return None
        return cls(int(lines[0]), Path(lines[4]), lines[7].strip() == "ready")

    def stop(self) -> None:
        """Open transactions are rolled back, and it is gone when this returns.

        Raises:
            UnreachableError: it does not end.
        """
        for number, seconds in ((signal.SIGINT, FAST_STOP_SECONDS), (signal.SIGQUIT, KILL_SECONDS)):
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)
            if _ends(self.pid, seconds):
                return
        raise UnreachableError(f"PostgreSQL (process {self.pid}) does not end: end it with `kill {self.pid}`")


def _answers(path: Path) -> bool:
    """A pid may be another process's by now; who accepts on the socket is the server."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
    return True


def _ends(pid: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while _lives(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _lives(pid: int) -> bool:
    with suppress(ChildProcessError):
        # A child that has ended stays a process until it is waited for.
        if os.waitpid(pid, os.WNOHANG)[0] == pid:
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
