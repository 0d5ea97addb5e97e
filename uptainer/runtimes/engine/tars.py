"""Rewriting a tar stream on its way, without holding more than a piece of it."""

import io
import tarfile
from collections import deque
from collections.abc import Iterator
from copy import copy
from typing import IO, cast

from uptainer.core.errors import TemporaryError

PIECE = 256 * 1024
_BLOCK = tarfile.BLOCKSIZE
_OLD_NAMES = ("path", "linkpath")
_SPARSE = "GNU.sparse."
"""Where a file's holes are: they are written out as zeros."""
_HANDED_ON = "SCHILY.xattr.system.posix_acl_default"


class Source(io.RawIOBase):
    """What reads like a file from pieces of any size."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        taken = bytearray()
        while size < 0 or len(taken) < size:
            if not self._left:
                self._left = memoryview(next(self._pieces, b""))
            if not self._left:
                break
            part = self._left[: size - len(taken)] if size >= 0 else self._left
            taken += part
            self._left = self._left[len(part) :]
        return bytes(taken)


class _Sink(io.RawIOBase):
    """What is written to it waits to be taken away."""

    def __init__(self) -> None:
        self._pieces: deque[bytes] = deque()

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        piece = bytes(cast(bytes, data))
        self._pieces.append(piece)
        return len(piece)

    def take(self) -> Iterator[bytes]:
        return _taken(self._pieces)


def _taken(pieces: deque[bytes]) -> Iterator[bytes]:
    while pieces:
        yield pieces.popleft()


def placed_in(folder: str, tar: Iterator[bytes], *, is_folder: bool) -> Iterator[bytes]:
    """The archive with all its entries below `folder`, and with what stands there now taken away first.

    A single file (`is_folder` false) takes the place of the one that stands there.
    """
    sink = _Sink()
    source = cast(IO[bytes], Source(tar))
    with (
        tarfile.open(fileobj=source, mode="r|", bufsize=PIECE) as read,
        tarfile.open(
            fileobj=cast(IO[bytes], sink), mode="w|", bufsize=PIECE, format=tarfile.PAX_FORMAT
        ) as written,
    ):
        for number, entry in enumerate(_in_order(read, folder, is_folder=is_folder)):
            if number == 0 and is_folder:
                _replace_folder(written, entry, folder)
            yield from _copy(read, written, entry, sink)
    yield from sink.take()


def _in_order(read: tarfile.TarFile, folder: str, *, is_folder: bool) -> Iterator[tarfile.TarInfo]:
    """The entries in their new places. A folder gets what it hands on to all that is made in it when all of that is made, for
    it is not theirs.
    """
    unfinished: list[tarfile.TarInfo] = []
    for entry in read:
        _rename(entry, folder, is_folder=is_folder)
        while unfinished and not entry.name.startswith(f"{unfinished[-1].name}/"):
            yield unfinished.pop()
        if entry.isdir() and _HANDED_ON in entry.pax_headers:
            unfinished.append(copy(entry))
            entry.pax_headers = {name: each for name, each in entry.pax_headers.items() if name != _HANDED_ON}
        yield entry
        forget(read)
    yield from reversed(unfinished)


def whole(tar: Iterator[bytes], about: str) -> Iterator[bytes]:
    """The archive as it comes, held against what it says of itself: where a file gets shorter while Docker reads it, all that
    would follow is left out, and the archive ends as if that were right.

    Raises:
        TemporaryError: it breaks off.
    """
    passed: deque[bytes] = deque()

    def noted() -> Iterator[bytes]:
        for piece in tar:
            passed.append(piece)
            yield piece

    try:
        with tarfile.open(fileobj=cast(IO[bytes], Source(noted())), mode="r|", bufsize=PIECE) as read:
            for entry in read:
                content = read.extractfile(entry) if entry.isreg() else None
                while content is not None and content.read(PIECE):
                    yield from _taken(passed)
                forget(read)
    except tarfile.TarError as error:
        raise TemporaryError(
            f"{about} changed while it was read, and its archive breaks off: try again, or have it stopped meanwhile"
        ) from error
    yield from _taken(passed)
    yield from tar


def forget(read: tarfile.TarFile) -> None:
    """What went by: it keeps every entry, and there may be millions."""
    read.members.clear()  # type: ignore[attr-defined]  # -- where `next` puts them, documented for `getmembers` alone


def _replace_folder(written: tarfile.TarFile, first: tarfile.TarInfo, folder: str) -> None:
    """A plain file of the folder's name removes it; where the archive has no entry for the root, an open one is made."""
    written.addfile(tarfile.TarInfo(folder))
    if first.name != folder:
        root = tarfile.TarInfo(folder)
        root.type, root.mode = tarfile.DIRTYPE, 0o755
        written.addfile(root)


def _rename(entry: tarfile.TarInfo, folder: str, *, is_folder: bool) -> None:
    entry.name = _below(folder, entry.name) if is_folder else folder
    if entry.islnk():
        entry.linkname = _below(folder, entry.linkname)
    entry.pax_headers = {
        name: value
        for name, value in entry.pax_headers.items()
        if name not in _OLD_NAMES and not name.startswith(_SPARSE)
    }


def _below(folder: str, name: str) -> str:
    inner = "/".join(part for part in name.split("/") if part not in ("", "."))
    return f"{folder}/{inner}" if inner else folder


def _copy(
    read: tarfile.TarFile, written: tarfile.TarFile, entry: tarfile.TarInfo, sink: _Sink
) -> Iterator[bytes]:
    """As `TarFile.addfile` does it, but in pieces that go out at once."""
    content = read.extractfile(entry) if entry.isreg() else None
    header = copy(entry)  # TarInfo.replace() is not in 3.11.2, which Debian has
    header.size = 0 if content is None else entry.size
    stream = written.fileobj
    assert stream is not None, "it is open"
    stream.write(header.tobuf(written.format, written.encoding, written.errors))
    while content is not None and (piece := content.read(PIECE)):
        stream.write(piece)
        yield from sink.take()
    stream.write(b"\0" * (-header.size % _BLOCK))
    yield from sink.take()
