"""How wide each column of a table is, where the terminal is narrower than the table."""

from collections.abc import Sequence

WIDE_GAP, NARROW_GAP = 2, 1
SHORT = 16
"""A column no wider than this stays whole, where there is room for it: numbers, names and times."""
LONG, LONG_LEAST = 48, 20
_LEVELS = ((SHORT, 12, WIDE_GAP), (0, 12, WIDE_GAP), (0, 10, NARROW_GAP), (0, 1, NARROW_GAP))
"""Up to which width a column stays whole, the longest word that is not broken, and the gap; from the fairest down."""


def fit(columns: Sequence[Sequence[str]], room: int) -> tuple[list[int], int]:
    """The widths of a table's columns on `room` characters, from their cells with the heading first, and the gap between.

    A width of 0 leaves the column out.

    The widest are narrowed first, and at last down to what their words need. One without a word below its heading is
    the first to go, and nothing else is ever left out.
    """
    widths = [max(map(len, cells)) for cells in columns]
    if _total(widths, WIDE_GAP) <= room:
        return widths, WIDE_GAP
    widths = [width if any(cells[1:]) else 0 for width, cells in zip(widths, columns, strict=True)]
    words = [max(len(word) for cell in cells for word in cell.split() or [""]) for cells in columns]
    for short, word, gap in _LEVELS:
        least = [_least(width, longest, short, word) for width, longest in zip(widths, words, strict=True)]
        if _total(least, gap) <= room:
            break
    return _narrowed(widths, least, room, gap), gap


def _least(width: int, longest: int, short: int, word: int) -> int:
    if width <= short:
        return width
    return min(width, LONG_LEAST if width > LONG and word > 1 else min(longest, word))


def _narrowed(widths: list[int], least: Sequence[int], room: int, gap: int) -> list[int]:
    while _total(widths, gap) > room:
        number = max(range(len(widths)), key=lambda number: (widths[number] > least[number], widths[number]))
        if widths[number] <= 1:
            break
        widths[number] -= 1
    return widths


def _total(widths: Sequence[int], gap: int) -> int:
    return sum(width + gap for width in widths if width) - gap
