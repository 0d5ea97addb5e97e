"""What was kept of workloads, and where."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, true, update
from sqlalchemy.orm import Session, defer

from uptainer.core.enums import BackupStatus
from uptainer.core.errors import BusyError, NotFoundError
from uptainer.store.bulk import any_of
from uptainer.store.models import Container, ContainerBackup, ContainerHost


class BackupRepository:
    def __init__(self, session: Session) -> None:
        self._session = session

    def begin(
        self,
        container_id: int,
        *,
        reason: str,
        image_reference: str,
        image_digest: str,
        image_id: str,
        configuration: Mapping[str, Any],
        location: str,
        now: datetime,
        store: str = "",
        update_id: int | None = None,
        was_running: bool = False,
        was_paused: bool = False,
        after_hook: Mapping[str, Any] | None = None,
        restores_id: int | None = None,
    ) -> ContainerBackup:
        """Written before the first byte is copied, so that a place without an end is known for what it is."""
        row = ContainerBackup(
            container_id=container_id,
            update_id=update_id,
            status=BackupStatus.RUNNING,
            reason=reason,
            image_reference=image_reference,
            image_digest=image_digest,
            image_id=image_id,
            configuration=dict(configuration),
            location=location,
            store=store,
            was_running=was_running,
            was_paused=was_paused,
            after_hook=None if after_hook is None else dict(after_hook),
            restores_id=restores_id,
            created_at=now,
        )
        self._session.add(row)
        self._session.flush()
        return row

    def finish(
        self, backup_id: int, archives: Sequence[Mapping[str, Any]], *, size: int, now: datetime
    ) -> ContainerBackup:
        """`size` in bytes. It has not been verified by that."""
        kept = [dict(archive) for archive in archives]
        return self._set(
            backup_id, status=BackupStatus.SUCCEEDED, archives=kept, size=size, finished_at=now, error=None
        )

    def kept(
        self, backup_id: int, archives: Sequence[Mapping[str, Any]], *, size: int, starts: bool, now: datetime
    ) -> ContainerBackup:
        """A safety copy was made and verified; `starts` says that the workload has to run when the restore is over."""
        kept = [dict(archive) for archive in archives]
        return self._set(backup_id, archives=kept, size=size, verified_at=now, was_running=starts)

    def written(self, backup_id: int, now: datetime) -> ContainerBackup:
        """The data is whole again: nothing is left to be done but to let the workload go on."""
        return self._set(backup_id, finished_at=now)

    def refuse_unsettled(self, container_id: int) -> None:
        """To be asked under the workload's lock: whoever is at a backup or a restore that is not over then, is dead.

        Raises:
            BusyError: one was cut off, and has to be put right first.
        """
        wanted = select(ContainerBackup.id).where(
            ContainerBackup.container_id == container_id, ContainerBackup.status == BackupStatus.RUNNING
        )
        if (number := self._session.scalar(wanted.limit(1))) is not None:
            raise BusyError(
                f"backup {number} of it was cut off, and is put right first: by the next `recover`, or by `uptainer run recover`"
            )

    def fail(self, backup_id: int, error: str, now: datetime) -> ContainerBackup:
        return self._set(backup_id, status=BackupStatus.FAILED, error=error, finished_at=now)

    def tested(self, backup_id: int, now: datetime, *, passed: bool | None, said: str) -> ContainerBackup:
        """What came of trying to restore it; `passed` is None where that could not be tried."""
        return self._set(backup_id, tested_at=now, test_passed=passed, test_said=said)

    def tried(self, since: datetime) -> Sequence[tuple[ContainerBackup, str]]:
        """Those whose restore was last tried since then, each with its workload's address; the newest try first."""
        wanted = (
            select(ContainerBackup, ContainerHost.name + "/" + Container.key)
            .join(Container, Container.id == ContainerBackup.container_id)
            .join(Container.host)
            .where(ContainerBackup.tested_at >= since)
            .order_by(ContainerBackup.tested_at.desc())
        )
        return [(row, address) for row, address in self._session.execute(wanted)]

    def verified(self, backup_id: int, now: datetime) -> ContainerBackup:
        return self._set(backup_id, verified_at=now)

    def pruned(self, backup_id: int) -> ContainerBackup:
        """Nobody restores from it any more, and its files may go; the row stays, for history speaks of it."""
        return self._set(backup_id, status=BackupStatus.PRUNED)

    def removed(self, backup_id: int, now: datetime) -> ContainerBackup:
        """Its files are gone."""
        return self._set(backup_id, removed_at=now)

    def copying(self, backup_id: int, mark: str) -> None:
        """Before anything of a copy under another name is made: should this process die, `half_copied` has it.

        Raises:
            BusyError: one was cut off, and has to be removed first.
        """
        row = self.by_id(backup_id)
        if row.copying_as is not None:
            raise BusyError(
                f"the copy {row.copying_as.partition(' ')[0]} of backup {backup_id} was cut off, and is removed first: by the "
                "next `recover`, or by `uptainer run recover`"
            )
        row.copying_as = mark

    def copied(self, backup_id: int) -> ContainerBackup:
        """The copy is whole, or nothing is left of it."""
        return self._set(backup_id, copying_as=None)

    def half_copied(self) -> Sequence[ContainerBackup]:
        """A living process is making a copy of them, or was when it died."""
        wanted = select(ContainerBackup).where(ContainerBackup.copying_as.is_not(None))
        return self._session.scalars(wanted.order_by(ContainerBackup.id)).all()

    def by_id(self, backup_id: int) -> ContainerBackup:
        row = self._session.get(ContainerBackup, backup_id, populate_existing=True)
        if row is None:
            raise NotFoundError(f"there is no backup {backup_id}: see `uptainer backups`")
        return row

    def of_update(self, update_id: int) -> Sequence[ContainerBackup]:
        wanted = select(ContainerBackup).where(ContainerBackup.update_id == update_id)
        return self._session.scalars(wanted.order_by(ContainerBackup.id)).all()

    def latest(self, container_id: int) -> ContainerBackup | None:
        """The newest that can be restored; None where there is none."""
        wanted = select(ContainerBackup).where(
            ContainerBackup.container_id == container_id, ContainerBackup.status == BackupStatus.SUCCEEDED
        )
        newest = wanted.order_by(ContainerBackup.created_at.desc(), ContainerBackup.id.desc())
        return self._session.scalar(newest.limit(1))

    def unfinished(self) -> Sequence[ContainerBackup]:
        """Begun and not ended: a living process is at them, or was when it died. The oldest first."""
        wanted = select(ContainerBackup).where(ContainerBackup.status == BackupStatus.RUNNING)
        return self._session.scalars(wanted.order_by(ContainerBackup.id)).all()

    def to_test(self, container_ids: Sequence[int], tested_before: datetime) -> Sequence[ContainerBackup]:
        """The newest whole backup with data of each container, where no restore of it was tried since `tested_before`;
        those first that were never tried, then those whose last try is longest ago.
        """
        newest = (
            select(ContainerBackup.id)
            .where(
                any_of(ContainerBackup.container_id, container_ids),
                ContainerBackup.status == BackupStatus.SUCCEEDED,
                func.jsonb_array_length(ContainerBackup.archives) > 0,
            )
            .distinct(ContainerBackup.container_id)
            .order_by(
                ContainerBackup.container_id, ContainerBackup.created_at.desc(), ContainerBackup.id.desc()
            )
        )
        wanted = select(ContainerBackup).where(
            ContainerBackup.id.in_(newest),
            func.coalesce(ContainerBackup.tested_at < tested_before, true()),
        )
        first = wanted.order_by(ContainerBackup.tested_at.asc().nulls_first(), ContainerBackup.id)
        return self._session.scalars(first).all()

    def last_success(self, container_ids: Sequence[int]) -> Mapping[int, datetime]:
        """When each was last backed up, data and all, by container; an update's backup without data does not count."""
        rows = self._session.execute(
            select(ContainerBackup.container_id, func.max(ContainerBackup.created_at))
            .where(
                any_of(ContainerBackup.container_id, container_ids),
                ContainerBackup.status == BackupStatus.SUCCEEDED,
                func.jsonb_array_length(ContainerBackup.archives) > 0,
            )
            .group_by(ContainerBackup.container_id)
        )
        return dict(rows.tuples().all())

    def failures(self, container_ids: Sequence[int]) -> Mapping[int, Sequence[datetime]]:
        """When those were begun that failed and are still kept, by container; the backups of updates and restores are none."""
        rows = self._session.execute(
            select(ContainerBackup.container_id, func.array_agg(ContainerBackup.created_at))
            .where(
                any_of(ContainerBackup.container_id, container_ids),
                ContainerBackup.status == BackupStatus.FAILED,
                ContainerBackup.update_id.is_(None),
                ContainerBackup.restores_id.is_(None),
            )
            .group_by(ContainerBackup.container_id)
        )
        return dict(rows.tuples().all())

    def listing(
        self,
        *,
        host: str | None = None,
        container_id: int | None = None,
        status: BackupStatus | None = None,
        removed: bool = True,
        limit: int | None = 100,
    ) -> Sequence[tuple[ContainerBackup, str]]:
        """The newest first, each with its workload's address, without the configuration, which is long; `limit=None` for
        all, and `removed=False` for those whose files are not gone, as retention wants them.
        """
        wanted = (
            select(ContainerBackup, ContainerHost.name + "/" + Container.key)
            .join(Container, Container.id == ContainerBackup.container_id)
            .join(Container.host)
            .options(defer(ContainerBackup.configuration, raiseload=True))
            .order_by(ContainerBackup.created_at.desc(), ContainerBackup.id.desc())
            .limit(limit)
        )
        if not removed:
            wanted = wanted.where(ContainerBackup.removed_at.is_(None))
        if host is not None:
            wanted = wanted.where(ContainerHost.name == host)
        if container_id is not None:
            wanted = wanted.where(ContainerBackup.container_id == container_id)
        if status is not None:
            wanted = wanted.where(ContainerBackup.status == status)
        return [(row, address) for row, address in self._session.execute(wanted)]

    def _set(self, backup_id: int, **values: Any) -> ContainerBackup:
        row = self._session.scalars(
            update(ContainerBackup)
            .where(ContainerBackup.id == backup_id)
            .values(**values)
            .returning(ContainerBackup)
            .execution_options(populate_existing=True)
        ).one_or_none()
        return self.by_id(backup_id) if row is None else row
