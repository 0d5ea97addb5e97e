"""One archive: a tar stream, compressed by zstd into one file, with the hash of what lies on the disk."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import zstandard

from uptainer.backups.disk import disk_errors, sync_directory
from uptainer.core.errors import InvalidInputError, PermanentError
from uptainer.core.workloads import Mount

CHUNK = 1 << 20
COMPRESSION_LEVEL = 3


@dataclass(frozen=True, slots=True)
class Archive:
    """One mount's content in one file. `bytes` is the file's size, `content_bytes` the tar's; `sha256` is the file's."""

    mount: Mount
    file: str
    bytes: int
    content_bytes: int
    sha256: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """Raises: InvalidInputError, when the document was not written by `as_json`."""
        try:
            return cls(**{**document, "mount": Mount(**document["mount"])})
        except (KeyError, TypeError) as error:
            raise InvalidInputError(f"a backup's manifest is damaged: {error}") from error


def write_archive(mount: Mount, tar: Iterable[bytes], path: Path) -> Archive:
    """Stream `tar` into `path`, which appears only when it is whole and on the disk.

    Raises:
        PermanentError: the disk is full or refuses; nothing is left behind.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        sha256, content_bytes = _compress(tar, partial)
        with disk_errors(path.parent):
            size = partial.stat().st_size
            partial.replace(path)
            sync_directory(path.parent)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    return Archive(mount, path.name, size, content_bytes, sha256)


def verify_archive(archive: Archive, directory: Path) -> None:
    """Read the file again: its size, its hash, and that it decompresses to as much as went in.

    Raises:
        PermanentError: the file is missing or is not what was written.
    """
    path = directory / archive.file
    sha256 = hashlib.sha256()
    with _reading(path), path.open("rb") as file:
        while chunk := file.read(CHUNK):
            sha256.update(chunk)
    if path.stat().st_size != archive.bytes or sha256.hexdigest() != archive.sha256:
        raise PermanentError(f"the backup file {path} is not what was written: its size or checksum differs")
    for _ in read_archive(archive, directory):
        pass


def read_archive(archive: Archive, directory: Path) -> Iterator[bytes]:
    """The tar stream that went in.

    Raises:
        PermanentError: the file is missing or damaged.
    """
    path = directory / archive.file
    with _reading(path), path.open("rb") as file:
        decompressor = zstandard.ZstdDecompressor()
        length = 0
        for chunk in decompressor.read_to_iter(file, read_size=CHUNK, write_size=CHUNK):
            length += len(chunk)
            yield chunk
    if length != archive.content_bytes:
        raise PermanentError(f"the backup file {path} holds {length} bytes of {archive.content_bytes}")


def _compress(tar: Iterable[bytes], partial: Path) -> tuple[str, int]:
    """A fault of the disk is told from one of the engine that the tar comes from."""
    sha256 = hashlib.sha256()
    content_bytes = 0
    compressor = zstandard.ZstdCompressor(level=COMPRESSION_LEVEL, write_checksum=True).compressobj()
    with disk_errors(partial.parent):
        partial.touch(mode=0o600)  # data of containers is nobody else's to read
        file = partial.open("wb", buffering=0)

    def store(data: bytes) -> None:
        sha256.update(data)
        view = memoryview(data)
        with disk_errors(partial.parent):
            while view:
                view = view[file.write(view) :]

    with file:
        for chunk in tar:
            content_bytes += len(chunk)
            store(compressor.compress(chunk))
        store(compressor.flush())
        with disk_errors(partial.parent):
            os.fsync(file.fileno())
    return sha256.hexdigest(), content_bytes


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise PermanentError(f"the backup file {path} is not there any more") from error
    except (OSError, zstandard.ZstdError) as error:
        raise PermanentError(f"the backup file {path} cannot be read: {error}") from error
