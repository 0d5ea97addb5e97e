"""Processes by pid: which one it is, whether it lives, and how it is ended."""

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import anyio

_POLL = 0.05
_START_TIME_FIELD = 19
"""Of what follows the name in /proc/PID/stat: field 22 of proc(5), in clock ticks since boot."""

# It runs as a program of its own, where calling into libc is safe whatever threads we have: it asks the kernel for
# SIGTERM at the parent's death, makes sure that this was not too late, and becomes the program that is wanted.
_DIE_WITH_PARENT = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
    if os.getppid() != int(sys.argv[1]):
        sys.exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""


def spawn_dependent(command: Sequence[str], *, environment: Mapping[str, str], log: Path) -> int:
    """Start a program, its output in `log`, that the kernel ends when the thread that called this ends (on Linux).

    Returns its pid, and keeps nothing: the state file is what knows of it.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    return os.posix_spawn(
        sys.executable,
        [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, str(os.getpid()), *command],
        environment,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), flags, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )


def started(pid: int) -> str:
    """When the process was started, in the kernel's own words; "" for one that is gone or only waits to be reaped.

    Where there is no /proc, that it lives is all that can be said.
    """
    if not Path("/proc/self/stat").exists():
        return "alive" if _exists(pid) else ""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if fields[0] in {"Z", "X"} else fields[_START_TIME_FIELD]


def is_alive(pid: int, since: str) -> bool:
    """Whether it is the process that `started` spoke of, and not a later one with its pid."""
    return bool(since) and started(pid) == since


async def end(pid: int, since: str, *, within: float) -> None:
    """SIGTERM, and SIGKILL when it is still there after `within` seconds."""
    for number, patience in ((signal.SIGTERM, within), (signal.SIGKILL, within)):
        if not is_alive(pid, since):
            break
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        with anyio.move_on_after(patience):
            while is_alive(pid, since):  # noqa: ASYNC110 -- a process that may not be our child gives no event
                await anyio.sleep(_POLL)
    _reap(pid)


def _reap(pid: int) -> None:
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
