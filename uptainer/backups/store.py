"""The port that every place for backups stands behind, and where one backup lies."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, Self

_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]+")


class Source(Protocol):
    """What is read from a store: at the end of it, `read` gives no bytes."""

    def read(self, size: int = -1, /) -> bytes: ...


class Sink(Protocol):
    """What is written to a store: all of `data`, or an error."""

    def write(self, data: bytes, /) -> object: ...


class Draft(Protocol):
    """Files that are being written to one place. Nobody takes them for a backup before they are published."""

    def write(self, name: str) -> AbstractContextManager[Sink]:
        """A file of this name, which is whole when the block ends, and gone when it fails."""
        ...

    def read(self, name: str) -> AbstractContextManager[Source]: ...

    def publish(self, name: str, content: bytes) -> None:
        """Add the file by which the backup is known, and let all of them take the place of those that were there."""
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

    def remove_partial(self, place: str, published: str) -> None:
        """Remove what a process that died left of a draft. `published` is the file by which a backup is known."""
        ...


@dataclass(frozen=True, slots=True)
class BackupStore:
    """Where backups lie. `block` names the Prefect block that it was opened by; "" is this machine's own directory."""

    files: Files
    block: str = ""

    def new(self, host: str, workload: str, label: str) -> "Location":
        return Location(self, self.files.place(host, workload, label))

    def at(self, place: str) -> "Location":
        """Where a backup was put, by the text of its `Location`."""
        return Location(self, place)


@dataclass(frozen=True, slots=True)
class Location:
    """Where one backup lies. Its text is a directory or a URL, without secrets."""

    store: BackupStore
    place: str

    def __str__(self) -> str:
        return self.place

    def beside(self, suffix: str) -> Self:
        """One for another backup of the same workload."""
        return type(self)(self.store, self.place + suffix)


Stores = Callable[[str], BackupStore]
"""Opens the store of the block with this name; "" is the local directory.

Raises NotFoundError where there is no such block, InvalidInputError where it does not hold what it should.
"""


def safe_name(name: str) -> str:
    """A name that can't leave its directory, or hide in it."""
    return _UNSAFE.sub("_", name).lstrip(".") or "_"
