"""Retention of backups and of old rows; never the last way back. What is kept on engines: `leftovers`."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import groupby

from sqlalchemy import select
from sqlalchemy.orm import Session

from uptainer.backups.backup import delete
from uptainer.backups.retention import Kept, select_for_removal
from uptainer.backups.store import Stores
from uptainer.core.enums import BackupStatus
from uptainer.core.errors import BusyError
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

BACKUPS_AT_LEAST = timedelta(days=7)
"""A backup younger than this stays, however many there are."""


def prune_rows(database: Database, retention: Retention, now: datetime) -> Pruned:
    with database.session() as session:
        return RetentionRepository(session).prune(retention, now)


def prune_backups(database: Database, stores: Stores, now: datetime) -> int:
    """Remove the files of backups that no policy keeps; how many. Their rows stay."""
    with database.session() as session:
        policies = _policies(session)
        listed = BackupRepository(session).listing(limit=None)
        held = _held(session)
    rows = [each for each in listed if each[0].status not in {BackupStatus.PRUNED, BackupStatus.RUNNING}]
    due: list[tuple[int, str]] = []
    for (container, _), group in groupby(sorted(rows, key=_kind), key=_kind):
        addresses = {row.id: address for row, address in group}
        kept = [_kept(row, held) for row, _ in rows if row.id in addresses]
        keep_last = policies.get(container, EffectivePolicy()).backup_keep
        found = select_for_removal(kept, keep_last=keep_last, keep_for=BACKUPS_AT_LEAST, now=now)
        due += [(number, addresses[number]) for number in found]
    return sum(_remove(database, stores, number, address) for number, address in due)


def _kind(listed: tuple[ContainerBackup, str]) -> tuple[int, bool]:
    """A backup without data is no way back for data: the two are counted apart."""
    row, _ = listed
    return row.container_id, bool(row.archives)


def _policies(session: Session) -> Mapping[int, EffectivePolicy]:
    book = PolicyBook.load(session)
    return {
        view.container.id: book.policy_of(view).policy
        for view in ContainerRepository(session).listing(with_vanished=True)
    }


def _held(session: Session) -> frozenset[int]:
    """Updates whose backup somebody may still need: those that are open, and those that are being taken back."""
    rows = session.execute(select(Update.id, Update.reverses_id).where(OPEN)).tuples()
    return frozenset(number for pair in rows for number in pair if number is not None)


def _kept(row: ContainerBackup, held: frozenset[int]) -> Kept:
    good = row.status is BackupStatus.SUCCEEDED and row.verified_at is not None
    return Kept(row.id, row.created_at, good, row.update_id in held)


def _remove(database: Database, stores: Stores, number: int, address: str) -> bool:
    """The row first: a file that is left over wastes room, a row without its files would be a false promise.

    One that may be read at this moment, for its workload is being worked on, stays for the next time.
    """
    host, _, workload = address.partition("/")
    try:
        with claim_workload(database, host, workload):
            with database.session() as session:
                row = BackupRepository(session).pruned(number)
                details = {"location": row.location}
                AuditRepository(session).append(SYSTEM, "backup.pruned", f"backup/{number}", details)
            delete(stores(row.store).at(row.location))
    except BusyError:
        return False
    return True
