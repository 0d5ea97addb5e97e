"""Lists of values, as a table for a person and as JSON for a program, from the same dataclasses."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from uptainer.cli.output import console, print_json, print_table
from uptainer.cli.saying import say
from uptainer.core.text import one_line


def print_rows(rows: Sequence[Any], columns: Sequence[str], *, as_json: bool, nothing: str) -> None:
    """`columns` are the fields that the table shows; JSON has all. `nothing` is said where there are no rows."""
    if as_json:
        print_json([asdict(row) for row in rows])
    elif not rows:
        say(nothing)
    else:
        heads = [column.replace("_", " ") for column in columns]
        print_table(heads, [[cell(getattr(row, column)) for column in columns] for row in rows])


def print_facts(facts: Mapping[str, object]) -> None:
    """One thing, a line for each of its facts; what is empty is left out."""
    rows = [(name.replace("_", " "), cell(value)) for name, value in facts.items()]
    print_table(("", ""), [row for row in rows if row[1]])


def heading(text: str) -> None:
    console().print(f"\n{one_line(text)}", style="bold", markup=False)


def cell(value: object) -> str:
    """Times are UTC, to the minute; an enumeration's words are written apart."""
    for kind, words in _WORDS.items():
        if isinstance(value, kind):
            return words(value)
    return str(value)


def _join(values: Iterable[object]) -> str:
    return ", ".join(cell(each) for each in values)


_WORDS: Mapping[type, Callable[[Any], str]] = {
    type(None): lambda _: "",
    bool: lambda value: "yes" if value else "no",
    datetime: lambda value: f"{value.astimezone(UTC):%Y-%m-%d %H:%M}",
    Enum: lambda value: str(value.value).replace("_", " "),
    dict: lambda value: _join(f"{name}: {cell(each)}" for name, each in value.items()),
    tuple: _join,
    list: _join,
}
