"""What `uptainer window ...` does."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from sqlalchemy.orm import Session

from uptainer.cli import connection
from uptainer.cli.rows import print_rows
from uptainer.cli.saying import say
from uptainer.core.clock import utc_now
from uptainer.core.errors import InvalidInputError, RefusedError, UnreachableError, UptainerError
from uptainer.fleet.previews import preview_openings
from uptainer.policy.window_text import describe_window, parse_window
from uptainer.policy.windows import Freeze, Window
from uptainer.store.database import Database
from uptainer.store.models import MaintenanceWindow
from uptainer.store.repositories.policies import PolicyRepository

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_AHEAD = timedelta(days=366)
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class WindowLine:
    """`next` are the instants at which it opens (or a freeze begins) in the year to come; `named_by` policies."""

    name: str
    kind: str
    means: str
    next: tuple[datetime, ...]
    named_by: tuple[str, ...]
    text: str
    enabled: bool


def add(name: str, text: str, *, freeze: bool) -> None:
    if not _NAME.fullmatch(name):
        raise InvalidInputError(
            f"{name!r} is not a window's name: letters, digits, and `.`, `_`, `-` between them"
        )
    kind = Freeze if freeze else Window
    window = parse_window(text, kind)
    with connection.database() as database:
        with database.session() as session:
            policies = PolicyRepository(session)
            _refuse_other_kind(policies, name, freeze=freeze)
            policies.put_window(name, {"text": text}, actor=connection.caller(), freeze=freeze)
        say(f"{kind.noun.capitalize()} {name}: {describe_window(window)}.")
        with database.session() as session:
            if not _named_by(session, name):
                field = "freezes" if freeze else "windows"
                say(f"It counts where a policy names it: uptainer policy set default {field}={name}")
        follow(database)


def show_all(*, as_json: bool) -> None:
    now = utc_now()
    with connection.database() as database, database.session() as session:
        rows = PolicyRepository(session).windows(enabled_only=False)
        lines = [_line(session, row, now) for row in rows]
    nothing = "No window is stored: what is approved is applied at any time, unless a policy or label says otherwise."
    print_rows(lines, ("name", "kind", "means", "next", "named_by"), as_json=as_json, nothing=nothing)


def preview(*, days: int, host: str | None, as_json: bool) -> None:
    now = utc_now()
    with connection.database() as database, database.session() as session:
        lines = preview_openings(session, now, now + timedelta(days=days), host=host)
    nothing = (
        f"No window opens in the next {days} days: workloads without a window are changed at any time, and those that "
        "have one are not. `uptainer policy show HOST/NAME` says which a workload has."
    )
    columns = ("opens", "closes", "windows", "workloads", "waiting")
    print_rows(lines, columns, as_json=as_json, nothing=nothing)


def remove(name: str, *, force: bool) -> None:
    with connection.database() as database:
        with database.session() as session:
            named = _named_by(session, name)
            if named and not force:
                raise RefusedError(
                    f"window {name!r} is named by the policies {', '.join(named)}, which could not be read without it, "
                    "so that no update that they hold for could be approved: change them first, or say --force"
                )
            PolicyRepository(session).remove_window(name, actor=connection.caller())
        say(f"Window {name} is removed.")
        follow(database)


def _line(session: Session, row: MaintenanceWindow, now: datetime) -> WindowLine:
    text = row.definition["text"]
    window = parse_window(text, Freeze if row.freeze else Window)
    following = (each.opens for each in window.occurrences(now, now + _AHEAD) if each.opens > now)
    return WindowLine(
        row.name,
        "freeze" if row.freeze else "window",
        describe_window(window),
        tuple(islice(following, _SHOWN)),
        _named_by(session, row.name),
        text,
        row.enabled,
    )


def _refuse_other_kind(policies: PolicyRepository, name: str, *, freeze: bool) -> None:
    for row in policies.windows(enabled_only=False):
        if row.name == name and row.freeze is not freeze:
            kind = "freeze" if row.freeze else "window"
            raise RefusedError(f"{name!r} is a {kind} already: remove it first, or choose another name")


def _named_by(session: Session, name: str) -> tuple[str, ...]:
    rows = PolicyRepository(session).policies(enabled_only=False)
    return tuple(
        f"{row.scope} {row.target}".strip()
        for row in rows
        if name in (*row.settings.get("windows", ()), *row.settings.get("freezes", ()))
    )


def follow(database: Database, *, aside: bool = False) -> None:
    """The schedules of `maintain` follow the windows at each start, and now where the server is up.

    `aside`: what became of them is said on standard error, for a program reads the other.
    """
    try:
        connection.use_server()
    except UnreachableError:
        return
    from uptainer.cli.prefect.stores import follow_windows  # noqa: PLC0415 -- it reads the environment that was just set

    try:
        changes = follow_windows(database)
    except UptainerError as error:
        say(f"The schedules could not follow, and will at the next start: {error}", err=True)
        return
    said = [
        f"{what} {', '.join(names)}"
        for what, names in (
            ("made", changes.created),
            ("changed", changes.updated),
            ("removed", changes.deleted),
        )
        if names
    ]
    if said:
        say(f"Schedules of maintain: {'; '.join(said)}.", err=aside)
