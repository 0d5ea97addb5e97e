"""One `uptainer up` to a data directory: a lock that the kernel drops with the process that holds it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from uptainer.core.errors import AccessDeniedError, RefusedError

LAYOUT = "1"
"""The arrangement of files in the data directory; another one is refused rather than guessed at."""


@contextmanager
def hold(data_dir: Path) -> Iterator[None]:
    """Make the data directory where it is missing, and hold it.

    Raises:
        AccessDeniedError: it cannot be made or written.
        RefusedError: another `uptainer up` holds it, or another version of Uptainer arranged it differently.
    """
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = (data_dir / "lock").open("a+")
    except OSError as error:
        raise AccessDeniedError(
            f"the data directory {data_dir} can't be written ({error.strerror}): give it to this user, "
            "or choose another with UPTAINER_DATA_DIR"
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RefusedError(
                f"Uptainer is already running on {data_dir} (process {_pid_in(file.fileno())}): stop it with "
                "`uptainer down`, or choose another data directory with UPTAINER_DATA_DIR"
            ) from error
        _check_layout(data_dir)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def holder(data_dir: Path) -> int | None:
    """The process that holds the directory, or None where none does."""
    try:
        file = (data_dir / "lock").open("r+")
    except FileNotFoundError:
        return None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return _pid_in(file.fileno())
        return None


def _pid_in(descriptor: int) -> int:
    """0 for the instant between taking the lock and writing into it."""
    return int(os.pread(descriptor, 20, 0).decode() or 0)


def _check_layout(data_dir: Path) -> None:
    mark = data_dir / "layout"
    if not mark.exists():
        mark.write_text(LAYOUT)
    found = mark.read_text().strip()
    if found != LAYOUT:
        raise RefusedError(
            f"the data directory {data_dir} was written by another version of Uptainer (layout {found}, "
            f"and this one knows {LAYOUT}): run that version, or choose another directory with UPTAINER_DATA_DIR"
        )
