"""What `uptainer updates`, `update`, `rollback` and `history` do."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from uptainer.cli import connection, explaining
from uptainer.cli.asking import confirm
from uptainer.cli.output import print_json
from uptainer.cli.rows import print_rows
from uptainer.cli.saying import say
from uptainer.core.clock import utc_now
from uptainer.core.enums import ApprovalChannel, ApprovalDecision, UpdateStatus
from uptainer.core.errors import InvalidInputError, RefusedError
from uptainer.core.settings import Settings
from uptainer.core.transitions import CLOSED, WAITING
from uptainer.fleet.deciding import title_of
from uptainer.fleet.scope import hosts_switched_off
from uptainer.fleet.updating import override_window, plan_update
from uptainer.policy.durations import parse_duration
from uptainer.store.bulk import any_of
from uptainer.store.models import Approval, Update
from uptainer.store.repositories.approvals import Answer
from uptainer.store.repositories.updates import UpdateRepository
from uptainer.updates.gate import ASKED
from uptainer.updates.reversal import reverse

NOTHING_OPEN = "No update is on its way."
ALL = 10_000


@dataclass(frozen=True, slots=True)
class UpdateLine:
    """`answered_by` is who answered last, with `(typed)` behind a name that was not established."""

    id: int
    workload: str
    what: str
    level: str
    status: str
    urgency: int
    why: str
    batch: str | None
    answered_by: str
    created_at: datetime
    approved_at: datetime | None
    finished_at: datetime | None
    downtime_seconds: float | None
    from_reference: str
    from_digest: str
    to_reference: str
    to_digest: str


def show_open(*, with_history: bool, as_json: bool) -> None:
    with connection.database() as database, database.session() as session:
        repository = UpdateRepository(session)
        rows = repository.history(limit=ALL) if with_history else repository.open()
        lines = _lines(session, rows)
    columns = ("id", "workload", "what", "level", "status", "why", "created_at")
    print_rows(lines, columns, as_json=as_json, nothing=NOTHING_OPEN)


def explain(about: str, *, as_json: bool) -> None:
    """By the update's number, or by the container."""
    with connection.database() as database, database.session() as session:
        found = (
            explaining.of_update(session, int(about), utc_now())
            if about.isascii() and about.isdigit()
            else explaining.of_container(session, about)
        )
    if as_json:
        print_json(found)
    else:
        explaining.show(found)


def show_plan(update_id: int) -> None:
    """Asked of the engine itself; nothing is done, and no run is started."""
    settings = Settings.read()
    with connection.database(settings) as database:
        plan = plan_update(
            database, update_id, connection.engines(database), settings, connection.stores(settings)
        )
    for number, step in enumerate(plan.steps, 1):
        say(f"{number}. {step.sentence}")
    say("Nothing was done.")


def start(update_id: int, *, override: str | None, wait: bool) -> None:
    with connection.database() as database:
        with database.session() as session:
            _refuse_unready(UpdateRepository(session).by_id(update_id))
        if override is not None:
            override_window(database, update_id, override, connection.caller())
    _run(update_id, wait=wait)


def take_back(update_id: int, *, with_data: bool, reason: str, yes: bool, wait: bool) -> None:
    """Make the update that takes it back, approved by who asks, and start its run."""
    settings = Settings.read()
    with connection.database(settings) as database:
        with database.session() as session:
            row = UpdateRepository(session).by_id(update_id)
        data = " and put its volumes back as they were before" if with_data else ""
        confirm(f"Take back {row.host_name}/{title_of(row)}{data}?", yes=yes)
        answer = Answer(ApprovalDecision.APPROVE, ApprovalChannel.COMMAND, connection.caller(), reason)
        with connection.engines(database)(row.host_name) as runtime:
            stores = connection.stores(settings)
            made = reverse(
                update_id, database, runtime, answer, utc_now(), stores=stores, with_data=with_data
            )
    say(f"Update {made} takes update {update_id} back.")
    _run(made, wait=wait)


def show_history(
    *,
    host: str | None,
    workload: str | None,
    statuses: Collection[UpdateStatus],
    since: str | None,
    batch: str | None,
    limit: int,
    as_json: bool,
) -> None:
    begin = read_since(since, utc_now()) if since else None
    with connection.database() as database, database.session() as session:
        rows = UpdateRepository(session).history(
            host=host, workload=workload, statuses=statuses or CLOSED, since=begin, batch=batch, limit=limit
        )
        lines = _lines(session, rows)
    columns = ("id", "workload", "what", "status", "answered_by", "finished_at", "downtime_seconds", "why")
    print_rows(lines, columns, as_json=as_json, nothing="Nothing was updated that matches.")


def read_since(text: str, now: datetime) -> datetime:
    """`30d` before now, or a date or time; without an offset it is UTC.

    Raises:
        InvalidInputError: it is none of them.
    """
    try:
        return now - parse_duration(text)
    except InvalidInputError:
        pass
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise InvalidInputError(
            f"{text!r} is no time: write a duration like 30d, or a date like 2026-10-01"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _refuse_unready(row: Update) -> None:
    if row.status in ASKED:
        raise RefusedError(
            f"update {row.id} of {row.workload} awaits an answer first: uptainer approve {row.id}"
        )
    if row.status in CLOSED:
        raise RefusedError(f"update {row.id} of {row.workload} is {row.status.replace('_', ' ')} already")


def _run(update_id: int, *, wait: bool) -> None:
    connection.use_server()
    from uptainer.cli.prefect import requests  # noqa: PLC0415 -- it reads the environment that was just set

    run = requests.start("update", {"update_id": update_id})
    say(f"The run {run.name} was started: {run.page}")
    if wait:
        say(requests.wait(run, f"update {update_id}"))


def _lines(session: Session, rows: Sequence[Update]) -> list[UpdateLine]:
    """With the last answer of each that was taken, read in one statement."""
    ids = [row.id for row in rows]
    taken = session.scalars(
        select(Approval).where(any_of(Approval.update_id, ids), Approval.taken).order_by(Approval.id)
    )
    last = {answer.update_id: answer for answer in taken}
    off = hosts_switched_off(session)
    return [_line(row, last.get(row.id), off) for row in rows]


def _line(row: Update, answer: Approval | None, off: Mapping[str, str]) -> UpdateLine:
    return UpdateLine(
        id=row.id,
        workload=f"{row.host_name}/{row.workload}",
        what=title_of(row).partition(": ")[2],
        level=str(row.level),
        status=row.status.replace("_", " "),
        urgency=row.urgency,
        why=off.get(row.host_name, row.status_reason) if row.status in WAITING else row.status_reason,
        batch=row.batch,
        answered_by=_name(answer),
        created_at=row.created_at,
        approved_at=row.approved_at,
        finished_at=row.finished_at,
        downtime_seconds=None if row.downtime_seconds is None else round(row.downtime_seconds, 1),
        from_reference=row.from_reference,
        from_digest=row.from_digest,
        to_reference=row.to_reference,
        to_digest=row.to_digest,
    )


def _name(answer: Approval | None) -> str:
    if answer is None:
        return ""
    return answer.answered_by if answer.authenticated else f"{answer.answered_by} (typed)"
