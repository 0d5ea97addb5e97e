"""What `uptainer apply` does."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from uptainer.cli import connection
from uptainer.cli.asking import confirm
from uptainer.cli.output import print_json
from uptainer.cli.saying import say, say_json
from uptainer.cli.windowing import follow
from uptainer.core.clock import utc_now
from uptainer.core.errors import InvalidInputError
from uptainer.core.files import read_stream, read_text
from uptainer.fleet.content import NotifierDeclaration
from uptainer.fleet.convergence import Change, make_changes, plan_changes
from uptainer.fleet.declaration import NOTHING, Declaration, json_schema, read_declaration
from uptainer.fleet.names import Names
from uptainer.fleet.notifiers import NOTIFIER, change_notifiers, plan_notifiers
from uptainer.store.database import Database

_LARGEST = 4 * 2**20
SAME = "Nothing to change: the fleet is as declared."


@dataclass(frozen=True, slots=True)
class ChangeLine:
    what: str
    name: str
    before: Any
    after: Any


def show_schema() -> None:
    say_json(json.dumps(json_schema(), indent=2))


def apply(file: Path | None, *, prune: bool, dry_run: bool, yes: bool, as_json: bool) -> None:
    if file is None:
        raise InvalidInputError("say which file: uptainer apply -f uptainer.yaml")
    text, name = _read(file)
    with connection.database() as database:
        declared, changes = _plan(database, text, name, file.parent, prune=prune)
        _show(changes, as_json=as_json)
        if dry_run or not changes:
            return
        confirm(f"Make {_count(changes)}?", yes=yes)
        with database.session() as session:
            ours = [each for each in changes if each.what != NOTIFIER]
            make_changes(session, declared, ours, connection.caller(), utc_now())
            change_notifiers(session, declared.notifiers, changes, _put_notifier, connection.caller())
        if not as_json:
            say(f"Done: {_count(changes)}.")
        follow(database, aside=as_json)


def _plan(
    database: Database, text: str, name: str, folder: Path, *, prune: bool
) -> tuple[Declaration, Sequence[Change]]:
    with database.session() as session:
        stored = NOTHING if prune else Names.stored(session)
        declared = read_declaration(text, name, folder=folder, stored=stored)
        changes = plan_changes(session, declared, prune=prune)
    return declared, (*changes, *plan_notifiers(declared.notifiers, _stored_notifiers(declared)))


def _stored_notifiers(declared: Declaration) -> Mapping[str, NotifierDeclaration]:
    """Only these need the server, which keeps the blocks."""
    if not declared.notifiers:
        return {}
    connection.use_server()
    from uptainer.cli.prefect.stores import notifier_rules  # noqa: PLC0415 -- it reads the environment that was just set

    return {name: notifier_rules(name) for name in declared.notifiers}


def _put_notifier(name: str, rules: NotifierDeclaration) -> None:
    from uptainer.cli.prefect.stores import put_notifier_rules  # noqa: PLC0415 -- the environment was set when it was read

    put_notifier_rules(name, rules)


def _read(file: Path) -> tuple[str, str]:
    if str(file) == "-":
        return read_stream(sys.stdin.buffer, "standard input", _LARGEST), "standard input"
    return read_text(file, _LARGEST), str(file)


def _show(changes: Sequence[Change], *, as_json: bool) -> None:
    if as_json:
        print_json([asdict(ChangeLine(each.what, each.name, each.before, each.after)) for each in changes])
        return
    if not changes:
        say(SAME)
    for change in changes:
        for line in _lines(change):
            say(line)


def _lines(change: Change) -> Iterator[str]:
    sign = "+" if change.before is None else "-" if change.after is None else "~"
    yield f"{sign} {change.what} {change.name}".rstrip()
    if change.after is None:
        return
    for field, (before, after) in change.differing.items():
        was = "" if change.before is None else f"{_said(before)} -> "
        yield f"    {field}: {was}{_said(after)}"


def _said(value: Any) -> str:
    if value is None:
        return "(not said)"
    return value if isinstance(value, str) else json.dumps(value)


def _count(changes: Sequence[Change]) -> str:
    return f"{len(changes)} change{'s' if len(changes) != 1 else ''}"
