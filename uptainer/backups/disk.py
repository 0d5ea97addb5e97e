"""What a disk refuses, in plain words."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from uptainer.core.errors import AccessDeniedError, DamagedError, PermanentError

_FULL = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file is too large",
}


@contextmanager
def disk_errors(directory: Path) -> Iterator[None]:
    """Turn what the operating system says of writing to `directory` into an error that a person can act on.

    Raises:
        PermanentError: the disk is full, or broken.
        AccessDeniedError: this account may not write there.
    """
    try:
        yield
    except PermissionError as error:
        raise AccessDeniedError(f"no permission to write to {directory}: {error.strerror}") from error
    except OSError as error:
        if error.errno in _FULL:
            reason = _FULL[error.errno]
            message = (
                f"the backup to {directory} stopped: {reason}. Free some space, or name another directory"
            )
            raise PermanentError(message) from error
        raise PermanentError(f"the backup to {directory} stopped: {error.strerror or error}") from error


def sync_directory(directory: Path) -> None:
    """A rename is on the disk only when its directory is."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def reading_errors(path: Path) -> Iterator[None]:
    """Turn what the operating system says of reading `path` into an error of ours.

    Raises:
        DamagedError: it is gone.
        AccessDeniedError: this account may not read it.
        PermanentError: it cannot be read, which may be the file's fault or the disk's.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise DamagedError(f"the backup file {path} is not there any more") from error
    except PermissionError as error:
        raise AccessDeniedError(f"no permission to read the backup file {path}: {error.strerror}") from error
    except OSError as error:
        raise PermanentError(f"the backup file {path} cannot be read: {error.strerror or error}") from error
