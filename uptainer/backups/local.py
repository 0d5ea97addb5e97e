"""Backups in a directory of this machine: whole under their name and on the disk, or not there."""

import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from uptainer.backups.disk import disk_errors, reading_errors, sync_directory
from uptainer.backups.files import Sink, Source, safe_name
from uptainer.backups.store import BackupStore, Stores
from uptainer.core.errors import NotFoundError


@dataclass(frozen=True, slots=True)
class LocalFiles:
    """Each place is a directory, which appears under its name by a rename when everything in it is on the disk."""

    root: Path

    def place(self, *names: str) -> str:
        return str(self.root.joinpath(*map(safe_name, names)))

    @contextmanager
    def draft(self, place: str) -> Iterator["LocalDraft"]:
        directory = Path(place)
        partial = _partial(directory)
        _remove(partial)
        try:
            with disk_errors(directory.parent):
                partial.mkdir(parents=True, mode=0o700)
            yield LocalDraft(directory, partial)
        finally:
            _remove(partial)

    @contextmanager
    def read(self, place: str, name: str) -> Iterator[Source]:
        with _reading(Path(place) / name) as file:
            yield file

    def holds(self, place: str, name: str) -> bool:
        return (Path(place) / name).exists()

    def remove(self, place: str) -> None:
        _remove(_partial(Path(place)))
        _remove(Path(place))

    def remove_partial(self, place: str, kept: Collection[str]) -> None:  # noqa: ARG002 -- a draft has a directory of its own here
        _remove(_partial(Path(place)))


@dataclass(frozen=True, slots=True)
class LocalDraft:
    directory: Path
    partial: Path
    prefix: str = ""

    @contextmanager
    def write(self, name: str) -> Iterator[Sink]:
        path = self.partial / name
        with disk_errors(self.partial):
            path.touch(mode=0o600)  # data of containers is nobody else's to read
            file = path.open("wb", buffering=0)
        with file:
            yield _DiskSink(file, self.partial)
            with disk_errors(self.partial):
                os.fsync(file.fileno())

    @contextmanager
    def read(self, name: str) -> Iterator[Source]:
        with _reading(self.partial / name) as file:
            yield file

    def publish(self, name: str, content: bytes) -> None:
        with self.write(name) as sink:
            sink.write(content)
        with disk_errors(self.directory.parent):
            sync_directory(self.partial)
            _remove(self.directory)
            self.partial.rename(self.directory)
            sync_directory(self.directory.parent)


@dataclass(frozen=True, slots=True)
class _DiskSink:
    """A fault of the disk is told from one of where the data comes from."""

    file: BinaryIO
    directory: Path

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        with disk_errors(self.directory):
            while view:
                view = view[self.file.write(view) :]


def local_stores(root: Path) -> Stores:
    """The local directory alone, for where no block can be asked for."""

    def opened(block: str) -> BackupStore:
        if block:
            raise NotFoundError(
                f"the backup store {block!r} is a block, and no server with blocks is known here"
            )
        return BackupStore(LocalFiles(root))

    return opened


def _partial(directory: Path) -> Path:
    return directory.with_name(f".{directory.name}.partial")


def _remove(directory: Path) -> None:
    if directory.exists():
        with disk_errors(directory):
            shutil.rmtree(directory)


@contextmanager
def _reading(path: Path) -> Iterator[BinaryIO]:
    with reading_errors(path), path.open("rb") as file:
        yield file
