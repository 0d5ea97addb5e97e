"""Markdown that says what it is given, whatever that was: labels and titles come from images that strangers made."""

import re
from collections.abc import Iterable, Sequence

from uptainer.core.text import one_line

_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#|~!&])")
UNLINKED = "\u200b"
"""Stands in an address, so that a renderer that turns bare addresses into links finds none."""
_ADDRESS = re.compile(r"(?i)\b(?:https?|ftp|javascript|data|mailto)(?=:)|\bwww(?=\.)")


def plain(text: object, limit: int = 300) -> str:
    """Text as itself: one line, nothing in it is markup, a link, or able to end a table's cell."""
    line = one_line(str(text))
    if len(line) > limit:
        line = line[: limit - 1].rstrip() + "…"
    return _ADDRESS.sub(_unlinked, _SPECIAL.sub(r"\\\1", line))


def table(headings: Sequence[str], rows: Iterable[Sequence[object]], *, limit: int = 300) -> str:
    """Every cell is plain text, of at most so many characters."""
    lines = [
        "| " + " | ".join(headings) + " |",
        "|" + " --- |" * len(headings),
        *("| " + " | ".join(plain(cell, limit) or " " for cell in row) + " |" for row in rows),
    ]
    return "\n".join(lines)


def bullets(items: Iterable[object]) -> str:
    return "\n".join(f"- {plain(item)}" for item in items)


def _unlinked(match: re.Match[str]) -> str:
    word = match.group()
    return f"{word[0]}{UNLINKED}{word[1:]}"
