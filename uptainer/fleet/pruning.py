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


@dataclass(frozen=True, slots=True)
class BackupsPruned:
    """How many backups' files were removed, and what could not be and is tried again next time."""

    removed: int
    failures: tuple[str, ...] = ()


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
        held = _held(session)
    due = [
        (row, address) for row, address in listed if row.status is BackupStatus.PRUNED and not row.removed_at
    ]
    for (container, *_), group in groupby(sorted(_present(listed), key=_kind), key=_kind):
        of_one = list(group)
        policy = policies.get(container, EffectivePolicy())
        chosen = select_for_removal(
            [_kept(row, held) for row, _ in of_one],
            keep_last=policy.backup_keep,
            keep_for=policy.backup_keep_for,
            now=now,
        )
        due += [each for each in of_one if each[0].id in chosen]
    said = [_remove(database, stores, row, address, now) for row, address in due]
    return BackupsPruned(said.count(""), tuple(each for each in said if each))


def _present(listed: Sequence[tuple[ContainerBackup, str]]) -> list[tuple[ContainerBackup, str]]:
    ends = {BackupStatus.SUCCEEDED, BackupStatus.FAILED}
    return [each for each in listed if each[0].status in ends]


def _kind(listed: tuple[ContainerBackup, str]) -> tuple[int, bool, bool]:
    """A backup without data is no way back for data, and the safety copy of a restore is of what nobody wanted: each kind
    is counted by itself.
    """
    row, _ = listed
    return row.container_id, bool(row.archives), row.restores_id is not None


def _policies(session: Session) -> Mapping[int, EffectivePolicy]:
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
    return Kept(row.id, row.created_at, whole and not failed, is_held, doubted=whole and failed)


def _remove(database: Database, stores: Stores, row: ContainerBackup, address: str, now: datetime) -> str:
    """What kept it from being removed; "" where it is gone.

    The store is asked before the row is marked, and the row is marked before a file goes: a row without its files would
    be a false promise, and a file without its row would waste room for good.
    """
    host, _, workload = address.partition("/")
    try:
        with claim_workload(database, host, workload):
            location = stores(row.store).at(row.location)
            exists(location)
            _mark(database, row)
            delete(location)
    except BusyError:
        return f"backup {row.id} of {address} stays for now: the workload is being worked on"
    except UptainerError as error:
        return f"backup {row.id} of {address} is not removed yet: {error}"
    with database.session() as session:
        BackupRepository(session).removed(row.id, now)
    return ""


def _mark(database: Database, row: ContainerBackup) -> None:
    if row.status is BackupStatus.PRUNED:
        return
    with database.session() as session:
        BackupRepository(session).pruned(row.id)
        details = {"location": row.location, "store": row.store}
        AuditRepository(session).append(SYSTEM, "backup.pruned", f"backup/{row.id}", details)
