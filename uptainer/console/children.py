"""The processes that `uptainer up` starts, each on a leash and in a session of its own.

A session of its own, so that Ctrl-C reaches only the console, which then stops them in the right order.
"""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from uptainer.console.logs import bound, tail
from uptainer.core.errors import TemporaryError
from uptainer.core.leash import leashed

STOP_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Child:
    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @classmethod
    def start(cls, name: str, command: Sequence[str], *, environment: Mapping[str, str], log: Path) -> Self:
        """Start it; call from the main thread, for the leash is tied to the thread."""
        log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        bound(log)
        with log.open("ab") as output:
            process = subprocess.Popen(  # noqa: S603 -- the command is ours, and no shell reads it
                leashed(list(command)),
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return cls(name, process, log)

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    def check(self) -> None:
        """Raises TemporaryError when it has ended by itself; the message holds its last words."""
        if not self.is_running:
            raise TemporaryError(
                f"the {self.name} ended by itself (exit code {self.process.returncode}), see {self.log}: {tail(self.log)}"
            )

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """SIGTERM, SIGKILL after `seconds`, and at the end for whatever it left in its session."""
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
