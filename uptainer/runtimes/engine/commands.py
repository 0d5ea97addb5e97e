"""Running a command on the machine that an engine stands on, for what the engine itself has no call for."""

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from uptainer.core.errors import UnreachableError, UnsupportedError


@dataclass(frozen=True, slots=True)
class Ran:
    exit_code: int
    output: str
    errors: str


def run_here(command: Sequence[str], *, host: str, timeout: float) -> Ran:
    """On this machine, with no shell.

    Raises:
        UnsupportedError: there is no such program here.
        UnreachableError: it did not end within `timeout` seconds, and was ended.
    """
    return ended(here(command, host=host), host=host, timeout=timeout, called=command[0])


def here(command: Sequence[str], *, host: str) -> list[str]:
    """With the program's whole path. Raises UnsupportedError: there is no such program here."""
    program = shutil.which(command[0])
    if program is None:
        raise UnsupportedError(f"{host}: there is no {command[0]} on this machine")
    return [program, *command[1:]]


def ended(command: Sequence[str], *, host: str, timeout: float, called: str) -> Ran:
    try:
        done = subprocess.run(  # noqa: S603 -- the caller says what to run, and no shell reads it
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            check=False,
            start_new_session=True,
        )
    except subprocess.TimeoutExpired as error:
        raise UnreachableError(f"{host}: {called} did not end within {timeout:g} seconds") from error
    return Ran(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))
