"""Where backups lie, and where one of them does."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from uptainer.backups.files import Files
from uptainer.backups.sealing import Seal


@dataclass(frozen=True, slots=True)
class BackupStore:
    """Where backups lie. `block` names the Prefect block that it was opened by; "" is this machine's own directory.

    `seal` says how what is written there is encrypted; what is read there says by itself whether it is.
    """

    files: Files
    block: str = ""
    seal: Seal | None = None

    @property
    def opens(self) -> bool:
        """Whether what is written there now can be read here again."""
        return self.seal is None or self.seal.opens

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
