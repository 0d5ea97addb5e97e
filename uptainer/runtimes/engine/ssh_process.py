"""One running ssh, in a private folder with its sockets and its words."""

import os
import queue
import subprocess
import tempfile
import threading
import weakref
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from uptainer.core.leash import leashed

_STOP_SECONDS = 2.0
_SETTLE_SECONDS = 0.2
_LONGEST_FOLDER = 55
"""A socket's path has room for 104 signs on some systems, and ssh adds 17 to its own."""


class SshProcess:
    """Ends with `close`, with this object, or with this process, however that ends; leaves no zombie.

    A thread of its own starts it and waits for its end: the leash is tied to the thread that starts a program, and
    the one that calls us may end long before.
    """

    def __init__(self) -> None:
        self._made = tempfile.TemporaryDirectory(prefix="uptainer-ssh-", dir=_short_folder())
        self.folder = Path(self._made.name)
        self.control = self.folder / "c"
        self.socket = self.folder / "e"
        self._log = self.folder / "log"
        self._read = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, command: list[str]) -> None:
        """Raises OSError: it can't be started."""
        started: queue.SimpleQueue[subprocess.Popen[bytes] | OSError] = queue.SimpleQueue()
        keeper = threading.Thread(
            target=_keep, args=(leashed(command), self._log, started), name="ssh", daemon=True
        )
        keeper.start()
        answer = started.get()
        if isinstance(answer, OSError):
            raise answer
        self._process = answer
        weakref.finalize(self, _end, answer)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def is_up(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def has_ended(self) -> bool:
        """Asked when a call has just failed: its end may be a moment behind that of the connection."""
        if self._process is not None:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_SETTLE_SECONDS)
        return not self.is_up

    def words(self) -> str:
        """All that ssh has said."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def news(self) -> str:
        """What it has said since the last time that this was asked."""
        said = self.words()
        new, self._read = said[self._read :], len(said)
        return new

    def close(self) -> None:
        if self._process is not None:
            _end(self._process)
        self._made.cleanup()


def _short_folder() -> str:
    folder = tempfile.gettempdir()
    return folder if len(folder) <= _LONGEST_FOLDER else "/tmp"  # noqa: S108 -- a private folder is made in it


def _keep(
    command: list[str], log: Path, started: "queue.SimpleQueue[subprocess.Popen[bytes] | OSError]"
) -> None:
    environment = {**os.environ, "LC_ALL": "C", "SSH_ASKPASS_REQUIRE": "never"}
    try:
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603 -- the command is ours, and no shell reads it
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
    except OSError as error:
        started.put(error)
        return
    started.put(process)
    process.wait()


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(_STOP_SECONDS)
