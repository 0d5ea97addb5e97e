"""Start a program that ends when its parent does, even when the parent is killed.

`python leash.py PARENT_PID PROGRAM ARGUMENT...` asks the kernel for that and becomes the program. It runs as a program of
its own, where calling into libc is safe whatever threads we have, and imports nothing of ours, so that it starts at once.
Only Linux has it (prctl(2), PR_SET_PDEATHSIG); elsewhere the program just starts.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def leashed(command: list[str]) -> list[str]:
    """The command that runs `command` on a leash held by the thread that starts it: it ends when that thread does."""
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *command]


def follow(parent: int) -> None:
    """Have this process terminated when `parent` ends, or end now when that has happened already."""
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit(f"process {parent}, which started this one, is gone")


def main() -> None:
    parent, *command = sys.argv[1:]
    follow(int(parent))
    os.execvp(command[0], command)  # noqa: S606 -- no shell is the point: the program takes this process's place


if __name__ == "__main__":
    main()
