"""One archive: a tar stream, compressed by zstd into one file, with hashes of what lies there and of what went in."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import zstandard

from uptainer.backups.files import Draft, Sink, Source
from uptainer.backups.sealing import Cipher
from uptainer.core.errors import DamagedError, InvalidInputError
from uptainer.core.workloads import Mount

CHUNK = 1 << 20
COMPRESSION_LEVEL = 3


@dataclass(frozen=True, slots=True)
class Archive:
    """One mount's content in one file. `bytes` and `sha256` are the file's, `content_bytes` and `content_sha256` the
    tar's. `left_out` says what of the mount could not be read, so that a restore does not bring it back.
    """

    mount: Mount
    file: str
    bytes: int
    content_bytes: int
    sha256: str
    content_sha256: str = ""
    left_out: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Raises: InvalidInputError, when the document was not written by `as_json`."""
        try:
            return cls(**{**document, "mount": Mount(**document["mount"])})
        except (KeyError, TypeError) as error:
            raise InvalidInputError(f"a backup's manifest is damaged: {error}") from error


@dataclass(slots=True)
class Tally:
    """How much went by, and its hash."""

    size: int = 0
    sha256: Any = field(default_factory=hashlib.sha256)

    def add(self, data: bytes) -> None:
        self.size += len(data)
        self.sha256.update(data)


def write_archive(
    mount: Mount, tar: Iterable[bytes], draft: Draft, name: str, cipher: Cipher | None = None
) -> Archive:
    """Stream `tar` into the file `name` of the draft, encrypted where there is a cipher.

    Raises:
        PermanentError, TemporaryError: the store's, or those of whatever `tar` reads from.
    """
    content, stored = Tally(), Tally()
    with draft.write(name) as sink:
        counted = _CountedSink(sink, stored)
        packed = _compressed(tar, content)
        if cipher is None:
            for chunk in packed:
                counted.write(chunk)
        else:
            cipher.encrypt(packed, counted)
    return Archive(
        mount, name, stored.size, content.size, stored.sha256.hexdigest(), content.sha256.hexdigest()
    )


def verify_archive(archive: Archive, source: Source, cipher: Cipher | None = None) -> None:
    """Read the file again: its size and hash, and that it gives exactly what went in.

    Where it is encrypted to keys that are not here, the first half of that is all that can be said.

    Raises:
        DamagedError: the file is not what was written.
    """
    if cipher is None or cipher.opens:
        for _ in read_archive(archive, source, cipher):
            pass
    else:
        verify_stored(archive.file, archive.bytes, archive.sha256, source)


def verify_stored(file: str, size: int, sha256: str, source: Source) -> None:
    """Raises: DamagedError, where what lies in the file is not what was written."""
    stored = Tally()
    while chunk := source.read(CHUNK):
        stored.add(chunk)
    if (stored.size, stored.sha256.hexdigest()) != (size, sha256):
        raise DamagedError(f"the backup file {file} is not what was written: its size or checksum differs")


def read_archive(archive: Archive, source: Source, cipher: Cipher | None = None) -> Iterator[bytes]:
    """The tar stream that went in.

    Raises:
        DamagedError: the file is not what was written.
        PermanentError: none of the cipher's keys opens it.
    """
    stored, content = Tally(), Tally()
    counted = _CountedSource(source, stored)
    try:
        with nullcontext(counted) if cipher is None else cipher.decrypt(counted) as packed:
            yield from _decompressed(packed, content)
        while counted.read(CHUNK):
            pass
    except zstandard.ZstdError as error:
        raise DamagedError(f"the backup file {archive.file} is damaged: {error}") from error
    _compare(archive, stored, content)


def _compare(archive: Archive, stored: Tally, content: Tally) -> None:
    if (stored.size, stored.sha256.hexdigest()) != (archive.bytes, archive.sha256):
        raise DamagedError(
            f"the backup file {archive.file} is not what was written: its size or checksum differs"
        )
    if content.size != archive.content_bytes or (
        archive.content_sha256 and content.sha256.hexdigest() != archive.content_sha256
    ):
        raise DamagedError(f"the backup file {archive.file} does not hold what was backed up")


def _compressed(tar: Iterable[bytes], content: Tally) -> Iterator[bytes]:
    compressor = zstandard.ZstdCompressor(level=COMPRESSION_LEVEL, write_checksum=True).compressobj()
    for chunk in tar:
        content.add(chunk)
        if packed := compressor.compress(chunk):
            yield packed
    yield compressor.flush()


def _decompressed(packed: Source, content: Tally) -> Iterator[bytes]:
    """In bounded pieces, however well it was compressed; what stands behind the end is read too, so that it is noticed."""
    reader = zstandard.ZstdDecompressor().stream_reader(packed, read_size=CHUNK)  # type: ignore[arg-type]  # -- it calls read alone
    while plain := reader.read(CHUNK):
        content.add(plain)
        yield plain
    while packed.read(CHUNK):
        pass


@dataclass(frozen=True, slots=True)
class _CountedSource:
    source: Source
    tally: Tally

    def read(self, size: int = -1) -> bytes:
        chunk = self.source.read(size)
        self.tally.add(chunk)
        return chunk


@dataclass(frozen=True, slots=True)
class _CountedSink:
    sink: Sink
    tally: Tally

    def write(self, data: bytes) -> None:
        self.tally.add(data)
        self.sink.write(data)
