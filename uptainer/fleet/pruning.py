"""Retention: backups, kept containers and images that are no longer needed, and old rows; never the last way back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from uptainer.backups.directory import delete
from uptainer.backups.retention import Kept, select_for_removal
from uptainer.core.enums import BackupStatus, UpdateStatus
from uptainer.core.errors import NotFoundError, UptainerError
from uptainer.fleet.policies import PolicyBook
from uptainer.fleet.updating import Opens
from uptainer.policy.settings import EffectivePolicy
from uptainer.store.database import Database
from uptainer.store.models import Container, ContainerBackup, ContainerHost, Update
from uptainer.store.repositories.audit import SYSTEM, AuditRepository
from uptainer.store.repositories.backups import BackupRepository
from uptainer.store.repositories.containers import ContainerRepository
from uptainer.store.repositories.retention import Pruned, Retention, RetentionRepository

BACKUPS_AT_LEAST = timedelta(days=7)
"""A backup younger than this stays, however many there are."""


@dataclass(frozen=True, slots=True)
class HostPruned:
    """One host's round: what was removed, and what could not be, each with its reason."""

    host: str
    images: int
    failures: tuple[str, ...]


def prune_rows(database: Database, retention: Retention, now: datetime) -> Pruned:
    with database.session() as session:
        return RetentionRepository(session).prune(retention, now)


def prune_backups(database: Database, now: datetime) -> int:
    """Remove the files of backups that no policy keeps; how many. Their rows stay."""
    with database.session() as session:
        policies = _policies(session)
        rows = [
            row
            for row, _ in BackupRepository(session).listing(limit=None)
            if row.status is not BackupStatus.PRUNED
        ]
        held = _held(session)
    rows.sort(key=lambda row: row.container_id)
    removed = 0
    for container, of_one in groupby(rows, key=lambda row: row.container_id):
        kept = [_kept(row, held) for row in of_one if row.status is not BackupStatus.RUNNING]
        keep_last = policies.get(container, EffectivePolicy()).backup_keep
        for number in select_for_removal(kept, keep_last=keep_last, keep_for=BACKUPS_AT_LEAST, now=now):
            _remove(database, number)
            removed += 1
    return removed


def prune_images(database: Database, host: str, opens: Opens, now: datetime) -> HostPruned:
    """Remove from one engine the images that updates replaced, when their policy no longer keeps them.

    Only images that Uptainer itself replaced are ever removed; one that something still uses stays.

    Raises:
        UnreachableError: the engine did not answer.
    """
    with database.session() as session:
        due = _images_due(session, host, now)
    removed, failures = 0, []
    with opens(host) as runtime:
        for image_id in due:
            try:
                removed += runtime.remove_image(image_id)
            except NotFoundError:
                continue
            except UptainerError as error:
                failures.append(f"{image_id[:19]}: {error}")
    return HostPruned(host, removed, tuple(failures))


def _policies(session: Session) -> Mapping[int, EffectivePolicy]:
    book = PolicyBook.load(session)
    return {
        view.container.id: book.policy_of(view).policy
        for view in ContainerRepository(session).listing(with_vanished=True)
    }


def _held(session: Session) -> frozenset[int]:
    """Updates whose backup somebody may still need: those that have not ended."""
    closed = (UpdateStatus.REJECTED, UpdateStatus.EXPIRED, UpdateStatus.SUPERSEDED, UpdateStatus.SUCCEEDED)
    wanted = select(Update.id).where(Update.finished_at.is_(None), Update.status.not_in(closed))
    return frozenset(session.scalars(wanted))


def _kept(row: ContainerBackup, held: frozenset[int]) -> Kept:
    good = row.status is BackupStatus.SUCCEEDED and row.verified_at is not None
    return Kept(row.id, row.created_at, good, row.update_id in held)


def _remove(database: Database, number: int) -> None:
    """The row first: a file that is left over wastes room, a row without its files would be a false promise."""
    with database.session() as session:
        row = BackupRepository(session).pruned(number)
        AuditRepository(session).append(
            SYSTEM, "backup.pruned", f"backup/{number}", {"directory": row.directory}
        )
    delete(Path(row.directory))


def _images_due(session: Session, host: str, now: datetime) -> Sequence[str]:
    """Images that a successful update replaced longer ago than its policy keeps them, and that no container has now."""
    rows = session.execute(
        select(Update.from_image_id, Update.policy, Update.finished_at)
        .join(Container, Container.id == Update.container_id)
        .join(ContainerHost, ContainerHost.id == Container.host_id)
        .where(ContainerHost.name == host, Update.status == UpdateStatus.SUCCEEDED)
    ).tuples()
    kept_until: dict[str, datetime] = {}
    for image_id, policy, finished in rows:
        until = (finished or now) + EffectivePolicy.model_validate(policy).keep_old_image
        kept_until[image_id] = max(until, kept_until.get(image_id, until))
    in_use = set(session.scalars(select(Container.image_id).where(Container.vanished_at.is_(None))))
    return [image_id for image_id, until in kept_until.items() if until <= now and image_id not in in_use]
