"""How commands print: a table for a person, JSON for a program."""

import sys
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import typer
from pydantic import TypeAdapter
from rich.console import Console
from rich.table import Table
from rich.text import Text

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
"""The option that everything that lists has."""

_ANYTHING: TypeAdapter[Any] = TypeAdapter(Any)


GAP = 2
LONG = 48
READABLE, READABLE_WHERE_LONG = 12, 24
"""What a column that is broken is left at least, in characters, while others stay whole."""
WIDTH_OF_A_FILE = 200


def console() -> Console:
    """As wide as the terminal; a file or a pipe has no edge to keep to."""
    is_terminal = sys.stdout.isatty()
    return Console(highlight=False, soft_wrap=not is_terminal, width=None if is_terminal else WIDTH_OF_A_FILE)


def print_json(value: Any) -> None:
    """Dataclasses, pydantic models, times and enumerations as JSON, one document to a call."""
    typer.echo(_ANYTHING.dump_json(value, indent=2).decode())


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, title: str | None = None) -> None:
    """Cells are plain text: nothing in a container's name or label is read as markup."""
    lines = [list(row) for row in rows]
    screen = console()
    whole = _whole([max(map(len, cells)) for cells in zip(columns, *lines, strict=True)], screen.width)
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for number, column in enumerate(columns):
        table.add_column(column, overflow="fold", no_wrap=number in whole)
    for line in lines:
        table.add_row(*(Text(cell) for cell in line))
    screen.print(table)


def _whole(widths: Sequence[int], room: int) -> set[int]:
    """The columns that are not broken: the narrowest ones, as many as leave the others something to be read in.

    A table of which no column may be broken would be cut off instead, its numbers first.
    """
    whole: set[int] = set()
    least = [READABLE_WHERE_LONG if width > LONG else min(width, READABLE) for width in widths]
    left = room - sum(least) - GAP * (len(widths) - 1)
    for number in sorted(range(len(widths)), key=lambda number: widths[number]):
        left -= widths[number] - least[number]
        if left < 0:
            break
        whole.add(number)
    return whole
