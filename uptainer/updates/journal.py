"""The journal of one update: what is intended is committed before it is done, and its result after.

Each method is one transaction on the connection that holds the workload's lock. A change of the update's state and its
audit row are in the same transaction as the line that they belong to. None is open while an engine is called.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete
from sqlalchemy.orm import Session

from uptainer.core.enums import UpdateStatus
from uptainer.core.errors import InvalidInputError, UnreachableError
from uptainer.store.database import plain_errors
from uptainer.store.models import Update, UpdateStep
from uptainer.store.repositories.audit import SYSTEM
from uptainer.store.repositories.journal import JournalRepository
from uptainer.store.repositories.updates import UpdateRepository
from uptainer.updates.steps import FORWARD, READY, Entry, Plan, PlannedStep, Stage, downtime


@dataclass(frozen=True, slots=True)
class Record:
    """An update as the database has it now. `plan` is None before the first act."""

    update: Update
    plan: Plan | None
    journal: tuple[Entry, ...]

    @property
    def status(self) -> UpdateStatus:
        return self.update.status

    @property
    def results(self) -> dict[str, Mapping[str, Any]]:
        return {entry.name: entry.result for entry in self.journal if entry.result}


class Journal:
    """The only writer of an update that is under way. Who has lost the connection, and so the lock, writes no more."""

    def __init__(self, connection: Connection, update_id: int, now: Callable[[], datetime]) -> None:
        self._connection = connection
        self._update_id = update_id
        self._now = now
        self._lost = False

    def read(self) -> Record:
        with self.transaction() as session:
            return _read(session, self._update_id)

    def plan(self, plan: Plan) -> None:
        """Keep the plan; lines of an earlier try, which was undone, make room."""
        with self.transaction() as session:
            UpdateRepository(session).amend(self._update_id, plan=plan.as_json())
            session.execute(delete(UpdateStep).where(UpdateStep.update_id == self._update_id))

    def intend(self, step: PlannedStep, position: int) -> None:
        with self.transaction() as session:
            JournalRepository(session).begin(
                self._update_id,
                position,
                step.name,
                phase=step.stage,
                sentence=step.sentence,
                now=self._now(),
            )
            if UpdateRepository(session).by_id(self._update_id, lock=True).status is not step.status:
                self._move(session, (*READY, *FORWARD), step.status, step.sentence)

    def done(self, step: PlannedStep, result: Mapping[str, Any]) -> None:
        with self.transaction() as session:
            JournalRepository(session).done(self._update_id, step.name, result, self._now())

    def fail(self, step: PlannedStep, error: str, *, end: UpdateStatus) -> None:
        """The step failed, and the undo begins in the same moment; `end` is where it leads."""
        with self.transaction() as session:
            JournalRepository(session).failed(self._update_id, step.name, error, self._now())
            self._turn(session, f"{step.sentence}: {error}", end)

    def fail_finishing(self, step: PlannedStep, error: str) -> None:
        """A step that can't be undone failed: it is written down, and tried again later."""
        with self.transaction() as session:
            JournalRepository(session).failed(self._update_id, step.name, error, self._now())
            UpdateRepository(session).amend(self._update_id, status_reason=f"{step.sentence}: {error}")

    def turn_back(self, reason: str, *, end: UpdateStatus, counted: bool = True) -> None:
        """The undo begins; not `counted`, what follows is no further try."""
        with self.transaction() as session:
            self._turn(session, reason, end, tries=0 if counted else -1)

    def undoing(self, name: str) -> None:
        with self.transaction() as session:
            JournalRepository(session).undoing(self._update_id, name)

    def undone(self, name: str) -> None:
        with self.transaction() as session:
            JournalRepository(session).undone(self._update_id, name, self._now())

    def succeed(self, reason: str) -> None:
        with self.transaction() as session:
            away = downtime(_read(session, self._update_id).journal)
            seconds = None if away is None else away.total_seconds()
            self._move(session, FORWARD, UpdateStatus.SUCCEEDED, reason, downtime_seconds=seconds)

    def settle(self, status: UpdateStatus, reason: str) -> None:
        """The undo is over, or could not be done. What is APPROVED again has not begun."""
        begun = {"started_at": None} if status is UpdateStatus.APPROVED else {}
        with self.transaction() as session:
            self._move(session, (UpdateStatus.ROLLING_BACK,), status, reason, **begun)

    def decline(self, status: UpdateStatus, reason: str) -> None:
        """Nothing was begun, and nothing will be."""
        with self.transaction() as session:
            self._move(session, READY, status, reason)

    def note(self, reason: str) -> None:
        with self.transaction() as session:
            UpdateRepository(session).amend(self._update_id, status_reason=reason)

    def take_up(self) -> Plan:
        """Another process takes the update up: counted with its plan, and a failed undo is tried again."""
        with self.transaction() as session:
            record = _read(session, self._update_id)
            if record.plan is None:
                raise InvalidInputError(f"update {self._update_id} is {record.status}, and has no plan")
            plan = replace(record.plan, recoveries=record.plan.recoveries + 1)
            UpdateRepository(session).amend(self._update_id, plan=plan.as_json())
            if record.status is UpdateStatus.ROLLBACK_FAILED:
                self._move(session, (record.status,), UpdateStatus.ROLLING_BACK, record.update.status_reason)
            return plan

    def _turn(self, session: Session, reason: str, end: UpdateStatus, *, tries: int = 0) -> None:
        plan = _read(session, self._update_id).update.plan
        turned = {**plan, "end": end, "recoveries": plan.get("recoveries", 0) + tries}
        self._move(session, FORWARD, UpdateStatus.ROLLING_BACK, reason, plan=turned)

    def _move(
        self,
        session: Session,
        expected: tuple[UpdateStatus, ...],
        new: UpdateStatus,
        reason: str,
        **values: Any,
    ) -> None:
        """The row is locked first, so the state that is left is the one that was seen."""
        updates = UpdateRepository(session)
        current = updates.by_id(self._update_id, lock=True).status
        seen = (current,) if current in expected else expected
        updates.transition(self._update_id, seen, new, reason=reason, actor=SYSTEM, now=self._now(), **values)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Raises UnreachableError for good once the connection was lost: SQLAlchemy would make a new one, without the lock."""
        if self._lost or self._connection.invalidated:
            raise UnreachableError(
                "the connection to the database was lost, and the lock on the workload with it"
            )
        try:
            with (
                plain_errors(),
                Session(self._connection, expire_on_commit=False) as session,
                session.begin(),
            ):
                yield session
        except UnreachableError:
            self._lost = True
            raise


def _read(session: Session, update_id: int) -> Record:
    update = UpdateRepository(session).by_id(update_id)
    rows = JournalRepository(session).steps(update_id)
    plan = Plan.from_json(update.plan) if update.plan else None
    return Record(update, plan, tuple(entry_of(row) for row in rows))


def entry_of(row: UpdateStep) -> Entry:
    return Entry(
        row.name, Stage(row.phase), row.status, row.result, row.error, row.started_at, row.finished_at
    )
