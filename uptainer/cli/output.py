"""How commands print: a table for a person, JSON for a program."""

import sys
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import typer
from pydantic import TypeAdapter
from rich.console import Console
from rich.table import Table
from rich.text import Text

from uptainer.cli.columns import fit
from uptainer.cli.saying import say_json
from uptainer.core.text import one_line

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
"""The option that everything that lists has."""

_ANYTHING: TypeAdapter[Any] = TypeAdapter(Any)


WIDTH_OF_A_FILE = 200


def console() -> Console:
    """As wide as the terminal; a file or a pipe has no edge to keep to."""
    is_terminal = sys.stdout.isatty()
    return Console(highlight=False, soft_wrap=not is_terminal, width=None if is_terminal else WIDTH_OF_A_FILE)


def print_json(value: Any) -> None:
    """Dataclasses, pydantic models, times and enumerations as JSON, one document to a call."""
    say_json(_ANYTHING.dump_json(value, indent=2).decode())


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Cells are plain text on one line: nothing in a container's name or label is read as markup, or makes a row."""
    lines = [[Text(one_line(cell)) for cell in row] for row in rows]
    screen = console()
    columns_of_cells = list(zip(columns, *([cell.plain for cell in line] for line in lines), strict=True))
    widths, gap = fit(columns_of_cells, screen.width)
    table = Table(
        box=None,
        pad_edge=False,
        header_style="bold",
        collapse_padding=gap == 1,
    )
    for column, width in zip(columns, widths, strict=True):
        if width:
            table.add_column(column, overflow="fold", width=width)
    for line in lines:
        table.add_row(*(cell for cell, width in zip(line, widths, strict=True) if width))
    screen.print(table)
