"""How wide each column of a table is, where the terminal is narrower than the table."""

from collections.abc import Sequence
from typing import NamedTuple

GAP = 2
"""Between two columns, where the terminal has room for it; else one."""
LONG = 48
"""A column that is wider than this holds sentences, and is read at no less than its share of a line."""


class Level(NamedTuple):
    """What each column is left at least: whole up to `short`; a sentence `long`; else its longest word, up to `word`."""

    short: int
    word: int
    long: int
    gap: int


_LEVELS = (Level(16, 12, 20, GAP), Level(0, 12, 20, GAP), Level(0, 10, 10, 1), Level(0, 1, 1, 1))
"""The first one that there is room for is taken."""


def fit(columns: Sequence[Sequence[str]], room: int) -> tuple[list[int], int]:
    """The widths of a table's columns on `room` characters, from their cells with the heading first, and the gap between.

    A width of 0 leaves the column out. The widest are narrowed first, and at last down to what their words need. One
    without a word below its heading is the first to go, and nothing else is ever left out.
    """
    widths = [max(map(len, cells)) for cells in columns]
    if _total(widths, GAP) <= room:
        return widths, GAP
    widths = [width if any(cells[1:]) else 0 for width, cells in zip(widths, columns, strict=True)]
    words = [max(len(word) for cell in cells for word in cell.split() or [""]) for cells in columns]
    for level in _LEVELS:
        least = [_least(width, longest, level) for width, longest in zip(widths, words, strict=True)]
        if _total(least, level.gap) <= room:
            break
    return _narrowed(widths, least, room, level.gap), level.gap


def _least(width: int, longest: int, level: Level) -> int:
    if width <= level.short:
        return width
    return level.long if width > LONG else min(width, longest, level.word)


def _narrowed(widths: list[int], least: Sequence[int], room: int, gap: int) -> list[int]:
    while _total(widths, gap) > room:
        number = max(range(len(widths)), key=lambda number: (widths[number] > least[number], widths[number]))
        if widths[number] <= 1:
            break
        widths[number] -= 1
    return widths


def _total(widths: Sequence[int], gap: int) -> int:
    return sum(width + gap for width in widths if width) - gap
