"""Where one update stands, for the run that carries it; and the account that closes it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from uptainer.core.enums import UpdateStatus
from uptainer.core.errors import InvalidInputError
from uptainer.fleet.deciding import NewUpdate, new_update, title_of
from uptainer.policy.durations import parse_duration
from uptainer.store.database import Database
from uptainer.store.models import Update
from uptainer.store.repositories.journal import JournalRepository
from uptainer.store.repositories.updates import UpdateRepository
from uptainer.updates.account import write_closing
from uptainer.updates.journal import entry_of
from uptainer.updates.run import Outcome
from uptainer.updates.steps import Plan

FARTHEST = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class Situation:
    """One update as it stands now. `title` says what it is about, `account_hash` what a person was shown."""

    update_id: int
    title: str
    host: str
    workload: str
    status: UpdateStatus
    reason: str
    to_reference: str
    account_hash: str
    snoozed_until: datetime | None
    flow_run_id: UUID | None


def read_situation(database: Database, update_id: int) -> Situation:
    with database.session() as session:
        return _situation(UpdateRepository(session).by_id(update_id))


def bind_run(database: Database, update_id: int, flow_run_id: UUID) -> None:
    """Remember which run carries the update, so that an answer given elsewhere can resume it."""
    with database.session() as session:
        UpdateRepository(session).amend(update_id, flow_run_id=flow_run_id)


def list_asked(database: Database) -> Sequence[NewUpdate]:
    """The updates that wait for a person."""
    with database.session() as session:
        return [new_update(row, approved=False) for row in UpdateRepository(session).waiting()]


def close_account(database: Database, update_id: int) -> str:
    """How the update went, as markdown."""
    with database.session() as session:
        update = UpdateRepository(session).by_id(update_id)
        steps = JournalRepository(session).steps(update_id)
    outcome = Outcome(update.id, update.status, update.status_reason)
    plan = Plan.from_json(update.plan) if update.plan else None
    return write_closing(title_of(update), outcome, plan, [entry_of(step) for step in steps])


def parse_until(text: str, now: datetime) -> datetime:
    """`3d`, or a date and time with its offset.

    Raises:
        InvalidInputError: it is neither, or more than a year away.
    """
    moment = _moment(text, now)
    if moment > now + FARTHEST:
        raise InvalidInputError(f"{text!r} is more than a year away: reject it, or skip the version")
    return moment


def _moment(text: str, now: datetime) -> datetime:
    try:
        return now + parse_duration(text)
    except InvalidInputError:
        pass
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise InvalidInputError(
            f"{text!r} is no time: write a duration like 3d, or 2026-12-01T06:00+01:00"
        ) from None
    if moment.tzinfo is None:
        raise InvalidInputError(f"{text!r} has no offset from UTC: write it like 2026-12-01T06:00+01:00")
    return moment


def _situation(update: Update) -> Situation:
    return Situation(
        update.id,
        title_of(update),
        update.host_name,
        update.workload,
        update.status,
        update.status_reason,
        update.to_reference,
        update.account_hash,
        update.snoozed_until,
        update.flow_run_id,
    )
