"""How wide each column of a table is, where the terminal is narrower than the table."""

from collections.abc import Sequence

GAP = 2
SHORT = 16
"""A column no wider than this stays whole, where there is room for it: numbers, names and times."""
LONG, LONG_LEAST = 48, 20


def fit(columns: Sequence[Sequence[str]], room: int) -> list[int]:
    """The width of each column of `room` characters, from its cells with the heading first; 0 leaves it out.

    The widest are narrowed first, and at last down to what their words need. One without a word below its heading is
    the first to go, and nothing else is ever left out.
    """
    widths = [max(map(len, cells)) for cells in columns]
    if _total(widths) <= room:
        return widths
    widths = [width if any(cells[1:]) else 0 for width, cells in zip(widths, columns, strict=True)]
    words = [max(len(word) for cell in cells for word in cell.split() or [""]) for cells in columns]
    for short, word in ((SHORT, 12), (0, 12), (0, 10), (0, 1)):
        least = [_least(width, longest, short, word) for width, longest in zip(widths, words, strict=True)]
        if _total(least) <= room:
            break
    return _narrowed(widths, least, room)


def _least(width: int, longest: int, short: int, word: int) -> int:
    if width <= short:
        return width
    return min(width, LONG_LEAST if width > LONG and word > 1 else min(longest, word))


def _narrowed(widths: list[int], least: Sequence[int], room: int) -> list[int]:
    while _total(widths) > room:
        number = max(range(len(widths)), key=lambda number: (widths[number] > least[number], widths[number]))
        if widths[number] <= 1:
            break
        widths[number] -= 1
    return widths


def _total(widths: Sequence[int]) -> int:
    return sum(width + GAP for width in widths if width) - GAP
