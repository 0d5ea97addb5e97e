"""What a store that is not a disk of this machine refuses, in plain words."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from uptainer.core.errors import (
    AccessDeniedError,
    DamagedError,
    NotFoundError,
    PermanentError,
    UnreachableError,
    UptainerError,
)

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_LENGTH = 300


@contextmanager
def store_errors(root: str, path: str = "") -> Iterator[None]:
    """Turn what fsspec, or a library below it, raises at one call into an error of ours; `path` is what is read.

    Raises:
        UnreachableError: it does not answer, or not as it should: what nobody knows may pass.
        AccessDeniedError: it does not take our keys, or does not allow this.
        NotFoundError: there is no such bucket, share or directory.
        DamagedError: what is read is gone.
        PermanentError: it is full, or the options are none of its.
    """
    try:
        yield
    except UptainerError:
        raise
    except FileNotFoundError as error:
        if path:
            raise DamagedError(f"the backup file {path} is not there any more") from error
        raise NotFoundError(f"the backup store {root} is not there: {_words(error)}") from error
    except Exception as error:
        raise _translated(root, error) from error


def _translated(root: str, error: Exception) -> UptainerError:
    words = _words(error)
    if isinstance(error, PermissionError) or "Credentials" in type(error).__name__:
        return AccessDeniedError(f"the backup store {root} does not let us in: {words}")
    if isinstance(error, OSError) and error.errno in _FULL:
        return PermanentError(f"the backup store {root} is full: {words}")
    if isinstance(error, TypeError | ValueError):
        return PermanentError(f"the backup store {root} cannot be used so: {words}")
    return UnreachableError(f"the backup store {root} does not answer: {words}")


def _words(error: Exception) -> str:
    """The first line, for some libraries say a page."""
    return (str(error).strip().partition("\n")[0] or type(error).__name__)[:_LENGTH]
