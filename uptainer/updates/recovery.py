"""What dead processes left behind: finished where the new container was in its place, undone otherwise.

A process is dead when the lock of the workload that it worked on is free. See docs/decisions/0010-the-journal.md.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import exists, or_, select
from sqlalchemy.orm import Session

from uptainer.backups.store import Stores
from uptainer.core.clock import Clock
from uptainer.core.enums import UpdateStatus
from uptainer.core.errors import BusyError, TemporaryError, UptainerError
from uptainer.runtimes.port import Runtime
from uptainer.store.database import Database
from uptainer.store.models import Container, ContainerHost, Update
from uptainer.store.repositories.updates import UpdateRepository
from uptainer.updates.dependants import claim_dependants
from uptainer.updates.engine import MAX_TRIES, resume
from uptainer.updates.gate import expire
from uptainer.updates.journal import Journal
from uptainer.updates.locks import claim_workload
from uptainer.updates.planning import Subject, find_subject
from uptainer.updates.steps import IN_FLIGHT

Connect = Callable[[str], AbstractContextManager[Runtime]]
"""Opens the runtime of the host with this name; raises what `uptainer.runtimes.connections.connect` does."""


MADE_FOR_AN_UPDATE = "new"
"""The role that discovery notes in the details of a container that stands beside the one it is to replace."""


class Found(StrEnum):
    """What became of one update. WORKING: a living process is at it, or at what goes with it. LEFT: not now; it is tried
    again next time.
    """

    FINISHED = "finished"
    UNDONE = "undone"
    WORKING = "working"
    LEFT = "left"
    NEEDS_A_PERSON = "needs_a_person"


@dataclass(frozen=True, slots=True)
class Recovered:
    update_id: int
    host: str
    workload: str
    found: Found
    status: UpdateStatus
    reason: str


@dataclass(frozen=True, slots=True)
class RecoveryReport:
    """`expired` are the updates whose gate closed because nobody answered in time.

    `leftovers` are containers (`host/name`) that were made for an update, and that none on their host is at any more.
    """

    updates: tuple[Recovered, ...]
    expired: tuple[int, ...]
    leftovers: tuple[str, ...] = ()


def recover(
    database: Database,
    connect: Connect,
    stores: Stores,
    *,
    clock: Clock | None = None,
    insist: int | None = None,
) -> RecoveryReport:
    """Go on with every update that nobody works on, and close the gates whose time is over.

    An undo that failed is tried MAX_TRIES times; `insist` names an update that is tried once more all the same.

    Raises:
        UnreachableError: the database did not answer.
    """
    timing = clock or Clock()
    with database.session() as session:
        expired = expire(session, timing.now())
        subjects = [
            find_subject(session, update.id)
            for update in UpdateRepository(session).open()
            if update.status in IN_FLIGHT
        ]
    recovered = tuple(
        _recover(database, connect, stores, subject, timing, insist=subject.update.id == insist)
        for subject in subjects
    )
    with database.session() as session:
        leftovers = _leftovers(session)
    return RecoveryReport(recovered, tuple(update.id for update in expired), leftovers)


def _leftovers(session: Session) -> tuple[str, ...]:
    """As the last discovery saw them. They are reported, and a person removes them: what they hold is not known.

    What was seen before an update on their host ended was maybe that update's, and is not there any more.
    """
    not_ended = or_(Update.status.in_(IN_FLIGHT), Update.finished_at > Container.last_seen_at)
    under_way = exists().where(Update.host_name == ContainerHost.name, not_ended)
    found = session.execute(
        select(ContainerHost.name, Container.name)
        .join(ContainerHost, ContainerHost.id == Container.host_id)
        .where(
            Container.vanished_at.is_(None),
            Container.details["role"].astext == MADE_FOR_AN_UPDATE,
            ~under_way,
        )
        .order_by(ContainerHost.name, Container.name)
    )
    return tuple(f"{host}/{name}" for host, name in found)


def _recover(
    database: Database, connect: Connect, stores: Stores, subject: Subject, clock: Clock, *, insist: bool
) -> Recovered:
    status = subject.update.status
    try:
        with claim_workload(database, subject.host, subject.key) as connection:
            journal = Journal(connection, subject.update.id, clock.now)
            record = journal.read()
            if record.status not in IN_FLIGHT:
                return _told(subject, Found.FINISHED, record.status, record.update.status_reason)
            tries = record.plan.recoveries if record.plan else 0
            if record.status is UpdateStatus.ROLLBACK_FAILED and tries >= MAX_TRIES and not insist:
                return _told(subject, Found.NEEDS_A_PERSON, record.status, record.update.status_reason)
            if record.plan is not None:
                claim_dependants(connection, subject, record.plan.dependants)
            with connect(subject.host) as runtime:
                outcome = resume(journal, subject, runtime, stores, clock=clock)
    except BusyError as error:
        return _told(subject, Found.WORKING, status, str(error))
    except TemporaryError as error:
        return _told(subject, Found.LEFT, status, str(error))
    except UptainerError as error:
        return _told(subject, Found.NEEDS_A_PERSON, status, str(error))
    return _told(subject, _kind(outcome.status), outcome.status, outcome.reason)


def _kind(status: UpdateStatus) -> Found:
    match status:
        case UpdateStatus.SUCCEEDED:
            return Found.FINISHED
        case UpdateStatus.ROLLBACK_FAILED:
            return Found.NEEDS_A_PERSON
        case _:
            return Found.UNDONE


def _told(subject: Subject, found: Found, status: UpdateStatus, reason: str) -> Recovered:
    return Recovered(subject.update.id, subject.host, subject.key, found, status, reason)
