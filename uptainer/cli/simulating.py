"""What `uptainer policy simulate` does."""

import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from uptainer.cli import connection
from uptainer.cli.policing import as_if_set
from uptainer.cli.rows import print_rows
from uptainer.core.clock import utc_now
from uptainer.core.enums import PolicyScope
from uptainer.core.errors import InvalidInputError
from uptainer.core.settings import Settings
from uptainer.fleet.policies import Key
from uptainer.fleet.simulation import simulate
from uptainer.policy.durations import parse_duration
from uptainer.policy.schedule import Bounds

COLUMNS = ("workload", "outcome", "at", "candidate", "why")
NOTHING = "No container is known that matches: uptainer host sync reads the hosts now"


def show(until: str, *, host: str | None, what_if: Sequence[str], as_json: bool) -> None:
    now = utc_now()
    end = read_until(until, now)
    with connection.database() as database:
        with database.session() as session:
            instead = dict(_layer(session, text) for text in what_if)
        lines = simulate(database, now, end, host=host, instead=instead, bounds=_bounds())
    print_rows(lines, COLUMNS, as_json=as_json, nothing=NOTHING)


def read_until(text: str, now: datetime) -> datetime:
    """`24h` from now, or a date or time to come; without an offset it is UTC.

    Raises:
        InvalidInputError: it is none of them, or past.
    """
    try:
        return now + parse_duration(text)
    except InvalidInputError:
        pass
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise InvalidInputError(f"{text!r} is no time: write 24h, 7d, or a date like 2026-12-24") from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if moment <= now:
        raise InvalidInputError(f"{text} is past: only what is to come can be simulated")
    return moment


def _bounds() -> Bounds:
    settings = Settings.read()
    return Bounds(settings.max_updates_per_host, settings.max_updates_per_server)


def _layer(session: Session, text: str) -> tuple[Key, Mapping[str, Any]]:
    scope, *words = _words(text) or [""]
    if scope not in set(PolicyScope):
        raise InvalidInputError(
            f"{text!r} is no layer of policy: begin with one of {', '.join(PolicyScope)}, as in 'default mode=auto'"
        )
    target, settings = as_if_set(session, PolicyScope(scope), words)
    return (PolicyScope(scope), target), settings


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        raise InvalidInputError(
            f"{text!r} has a quote that is not closed, or a backslash at its end"
        ) from None
