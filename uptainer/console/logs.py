"""A child's log file, kept within a size."""

import shutil
from pathlib import Path

LARGEST = 10 * 1024 * 1024
"""Bytes; one earlier file of this size is kept beside it."""


def bound(log: Path, largest: int = LARGEST) -> None:
    """Move a log that has grown too large aside, under a child that goes on writing.

    The child appends through its own descriptor, so the file is copied and emptied, not renamed; a line written
    between the two is lost.
    """
    if log.exists() and log.stat().st_size > largest:
        shutil.copyfile(log, log.with_suffix(".log.1"))
        with log.open("r+b") as file:
            file.truncate(0)


def tail(log: Path, lines: int = 3) -> str:
    """The last lines that say something, for the sentence about a child that did not start."""
    text = log.read_text(errors="replace") if log.exists() else ""
    said = [line.strip() for line in text.splitlines() if line.strip()]
    return " / ".join(said[-lines:])
