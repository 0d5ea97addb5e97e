"""The port that every place for backups stands behind: files by place and name, published together or not at all."""

import re
from collections.abc import Collection
from contextlib import AbstractContextManager
from typing import Protocol

_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]+")


class Source(Protocol):
    """What is read from a store: at the end of it, `read` gives no bytes."""

    def read(self, size: int = -1, /) -> bytes: ...


class Sink(Protocol):
    """What is written to a store: all of `data`, or an error."""

    def write(self, data: bytes, /) -> object: ...


class Draft(Protocol):
    """Files that are being written to one place. Nobody takes them for a backup before they are published.

    All but the published one are to be named with `prefix`, so that they are not those of an earlier try.
    """

    @property
    def prefix(self) -> str: ...

    def write(self, name: str) -> AbstractContextManager[Sink]:
        """A file of this name, which is whole when the block ends, and gone when it fails."""
        ...

    def read(self, name: str) -> AbstractContextManager[Source]: ...

    def publish(self, name: str, content: bytes) -> None:
        """Add the file by which the backup is known, in one piece; all of them take the place of those that were there."""
        ...


class Files(Protocol):
    """Files by place and name. A place is a text that says to a person where that is, and holds no secret.

    Raises, whatever is asked of it:
        UnreachableError: the store does not answer.
        AccessDeniedError: it does not let us.
        PermanentError: it is full, or broken, or what is asked for is not there.
    """

    def place(self, *names: str) -> str:
        """The place of what is called so, one below the other, whatever characters the names have."""
        ...

    def draft(self, place: str) -> AbstractContextManager[Draft]:
        """Where new files for `place` are written; what was not published by the end is removed."""
        ...

    def read(self, place: str, name: str) -> AbstractContextManager[Source]: ...

    def holds(self, place: str, name: str) -> bool: ...

    def remove(self, place: str) -> None:
        """Remove all that lies there; it is no error that it is gone already."""
        ...

    def remove_partial(self, place: str, kept: Collection[str]) -> None:
        """Remove what a process that died left of a draft. `kept` are the files of the backup that lies there."""
        ...


def safe_name(name: str) -> str:
    """A name that can't leave its directory, or hide in it."""
    return _UNSAFE.sub("_", name).lstrip(".") or "_"
