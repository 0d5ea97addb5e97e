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


SHORT = 24
"""A column whose cells are no longer than this is never broken: numbers, states and times stay whole."""
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
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    lines = [list(row) for row in rows]
    for number, column in enumerate(columns):
        is_short = all(len(line[number]) <= SHORT for line in lines)
        table.add_column(column, overflow="fold", no_wrap=is_short)
    for line in lines:
        table.add_row(*(Text(cell) for cell in line))
    console().print(table)
