"""Texts that people name by a file's path."""

from pathlib import Path
from typing import IO

from uptainer.core.errors import InvalidInputError


def read_text(path: Path, most: int) -> str:
    """To the byte, and no more than `most` bytes of it.

    Raises:
        InvalidInputError: it can't be read, is larger, or is not UTF-8.
    """
    try:
        with path.open("rb") as file:
            return read_stream(file, str(path), most)
    except OSError as error:
        raise InvalidInputError(f"{path} can't be read: {error.strerror}") from error


def read_stream(stream: IO[bytes], name: str, most: int) -> str:
    """As `read_text`, of what is open already."""
    raw = stream.read(most + 1)
    if len(raw) > most:
        raise InvalidInputError(f"{name} has more than {most} bytes: it is not what is asked for")
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"{name} is not UTF-8, and no text") from error
