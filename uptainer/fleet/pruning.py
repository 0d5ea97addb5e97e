"""Retention of backups and of old rows; never the last way back. What is kept on engines: `leftovers`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from sqlalchemy import select
from sqlalchemy.orm import Session

from uptainer.backups.backup import delete, exists
from uptainer.backups.retention import Kept, select_for_removal
from uptainer.backups.store import Stores
from uptainer.core.enums import BackupStatus
from uptainer.core.errors import BusyError, UptainerError
from uptainer.fleet.policies import PolicyBook
from uptainer.policy.settings import EffectivePolicy
from uptainer.store.database import Database
from uptainer.store.models import ContainerBackup, Update
from uptainer.store.models.updates import OPEN
from uptainer.store.repositories.audit import SYSTEM, AuditRepository
from uptainer.store.repositories.backups import BackupRepository
from uptainer.store.repositories.containers import ContainerRepository
from uptainer.store.repositories.retention import Pruned, Retention, RetentionRepository
from uptainer.updates.locks import claim_workload

Policies = Mapping[int, EffectivePolicy]
"""By container."""


@dataclass(frozen=True, slots=True)
class BackupsPruned:
    """How many backups' files were removed, and what could not be and is tried again next time."""

    removed: int
    failures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Round:
    database: Database
    stores: Stores
    policies: Policies
    now: datetime


@dataclass(frozen=True, slots=True)
class _Held:
    """Updates and backups that somebody may still need."""

    updates: frozenset[int]
    backups: frozenset[int]


def prune_rows(database: Database, retention: Retention, now: datetime) -> Pruned:
    with database.session() as session:
        return RetentionRepository(session).prune(retention, now)


def prune_backups(database: Database, stores: Stores, now: datetime) -> BackupsPruned:
    """Remove the files of backups that no policy keeps. Their rows stay.

    One whose store does not answer, or whose workload is being worked on, stays for the next time.
    """
    with database.session() as session:
        policies = _policies(session)
        listed = BackupRepository(session).listing(limit=None, removed=False)
        due = _due(session, [row for row, _ in listed], policies, now)
    on = _Round(database, stores, policies, now)
    said = [_remove(on, row, address) for row, address in listed if row.id in due]
    return BackupsPruned(said.count(""), tuple(each for each in said if each))


def _due(
    session: Session, rows: Sequence[ContainerBackup], policies: Policies, now: datetime
) -> frozenset[int]:
    """What is to go of these, which are all of their workloads' backups: the rest of what was begun to be removed, too."""
    held = _held(session)
    due = {row.id for row in rows if row.status is BackupStatus.PRUNED}
    ended = [row for row in rows if row.status in {BackupStatus.SUCCEEDED, BackupStatus.FAILED}]
    for (container, *_), of_one in groupby(sorted(ended, key=_kind), key=_kind):
        policy = policies.get(container, EffectivePolicy())
        due.update(
            select_for_removal(
                [_kept(row, held) for row in of_one],
                keep_last=policy.backup_keep,
                keep_for=policy.backup_keep_for,
                now=now,
            )
        )
    return frozenset(due)


def _kind(row: ContainerBackup) -> tuple[int, bool, bool]:
    """A backup without data is no way back for data, and the safety copy of a restore is of what nobody wanted: each kind
    is counted by itself.
    """
    return row.container_id, bool(row.archives), row.restores_id is not None


def _policies(session: Session) -> Policies:
    book = PolicyBook.load(session)
    return {
        view.container.id: book.policy_of(view).policy
        for view in ContainerRepository(session).listing(with_vanished=True)
    }


def _held(session: Session) -> _Held:
    """Of updates that are open, or being taken back; and what a restore that is not over reads from."""
    updates = session.execute(select(Update.id, Update.reverses_id).where(OPEN)).tuples()
    restored = session.scalars(
        select(ContainerBackup.restores_id).where(ContainerBackup.status == BackupStatus.RUNNING)
    )
    return _Held(
        frozenset(number for pair in updates for number in pair if number is not None),
        frozenset(number for number in restored if number is not None),
    )


def _kept(row: ContainerBackup, held: _Held) -> Kept:
    """One that was tried and did not restore is no good."""
    whole = row.status is BackupStatus.SUCCEEDED and row.verified_at is not None
    failed = row.test_passed is False
    is_held = row.update_id in held.updates or row.id in held.backups
    proven = row.test_passed is True
    return Kept(
        row.id, row.created_at, whole and not failed, is_held, doubted=whole and failed, proven=proven
    )


def _remove(on: _Round, row: ContainerBackup, address: str) -> str:
    """What kept it from being removed; "" where it is gone.

    The store is asked before the row is marked, and the row is marked before a file goes: a row without its files would
    be a false promise, and a file without its row would waste room for good.
    """
    host, _, workload = address.partition("/")
    try:
        with claim_workload(on.database, host, workload):
            location = on.stores(row.store).at(row.location)
            exists(location)
            if not _mark(on, row):
                return f"backup {row.id} of {address} stays: it has become the one that is needed"
            delete(location)
    except BusyError:
        return f"backup {row.id} of {address} stays for now: the workload is being worked on"
    except UptainerError as error:
        return f"backup {row.id} of {address} is not removed yet: {error}"
    with on.database.session() as session:
        BackupRepository(session).removed(row.id, on.now)
    return ""


def _mark(on: _Round, row: ContainerBackup) -> bool:
    """Chosen again, under the lock of its workload: a restore may have failed meanwhile, or a try to restore another one."""
    with on.database.session() as session:
        backups = BackupRepository(session)
        listed = backups.listing(container_id=row.container_id, limit=None, removed=False)
        if row.id not in _due(session, [each for each, _ in listed], on.policies, on.now):
            return False
        if row.status is not BackupStatus.PRUNED:
            backups.pruned(row.id)
            details = {"location": row.location, "store": row.store}
            AuditRepository(session).append(SYSTEM, "backup.pruned", f"backup/{row.id}", details)
    return True
