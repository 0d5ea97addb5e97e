"""What a container writes, as the engine sends it: frames of both streams, or raw where it has a terminal.

Source: Docker Engine API, "Attach to a container", stream format.
"""

import struct
import time
from collections import deque
from collections.abc import Iterable, Iterator

from uptainer.runtimes.engine.client import Answer

OUTPUT_LIMIT = 1024 * 1024
_HEADER = struct.Struct(">BxxxL")
_PIECE = 64 * 1024


def pieces(answer: Answer, *, terminal: bool, deadline: float | None = None) -> Iterator[bytes]:
    """Raises TimeoutError when `deadline`, on the monotonic clock, passes first."""
    frames = _raw(answer) if terminal else _frames(answer)
    for piece in frames:
        yield piece
        if deadline is not None and time.monotonic() > deadline:
            raise TimeoutError


def first(written: Iterable[bytes]) -> str:
    """The first mebibyte; the rest is read and forgotten."""
    kept, size = list[bytes](), 0
    for piece in written:
        if size < OUTPUT_LIMIT:
            kept.append(piece)
            size += len(piece)
    return _text(b"".join(kept)[:OUTPUT_LIMIT])


def last(written: Iterable[bytes]) -> str:
    """The last mebibyte."""
    kept, size = deque[bytes](), 0
    for piece in written:
        kept.append(piece)
        size += len(piece)
        while size - len(kept[0]) >= OUTPUT_LIMIT:
            size -= len(kept.popleft())
    return _text(b"".join(kept)[-OUTPUT_LIMIT:])


def _frames(answer: Answer) -> Iterator[bytes]:
    while len(header := answer.read(_HEADER.size)) == _HEADER.size:
        _, left = _HEADER.unpack(header)
        while left and (piece := answer.read(min(left, _PIECE))):
            left -= len(piece)
            yield piece


def _raw(answer: Answer) -> Iterator[bytes]:
    while piece := answer.read(_PIECE):
        yield piece


def _text(content: bytes) -> str:
    return content.decode(errors="replace")
