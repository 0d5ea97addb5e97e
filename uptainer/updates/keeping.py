"""Our own steps: keep the configuration, back up the data, put it back, prove that the new one is well."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from uptainer.backups.backup import Backup, back_up, remove_partial
from uptainer.backups.restore import refuse_other_volumes, restore
from uptainer.backups.store import Location, Stores
from uptainer.core.clock import Clock
from uptainer.core.enums import BackupStatus
from uptainer.core.errors import PermanentError, UptainerError
from uptainer.runtimes.port import Runtime
from uptainer.store.models import ContainerBackup
from uptainer.store.repositories.backups import BackupRepository
from uptainer.updates.health import HealthPlan, Proof, prove
from uptainer.updates.journal import Journal, Record
from uptainer.updates.planning import RUNS, Subject, options_of
from uptainer.updates.steps import BACK_UP_VOLUMES, Plan, data_may_differ


def read_backup(row: ContainerBackup, stores: Stores) -> Backup:
    """Raises: as `Backup.read_recorded`."""
    location = stores(row.store).at(row.location)
    return Backup.read_recorded(location, row.archives, row.configuration)


@dataclass(frozen=True, slots=True)
class Keeper:
    """The steps that are not the runtime's. Each may be done again."""

    journal: Journal
    runtime: Runtime
    subject: Subject
    plan: Plan
    stores: Stores
    clock: Clock

    @property
    def location(self) -> Location:
        return self.stores(options_of(self.plan).backup_store).at(self.plan.backup_location)

    def save_configuration(self) -> Mapping[str, Any]:
        """In the store as well as in the database, so that either can be lost; and a store that fails is met before the stop."""
        configuration = dict(self.runtime.configuration(self.subject.key))
        backup = self._write(configuration, with_data=False)
        return {"backup_id": self._note(backup), "location": self.plan.backup_location}

    def run_hook(self, *, before: bool) -> Mapping[str, Any]:
        """Raises: PermanentError, TemporaryError, where the command fails."""
        hooks = options_of(self.plan).hooks
        run = hooks.run_before if before else hooks.run_after
        run(self.runtime, self.subject.key)
        return {}

    def end_hook(self) -> None:
        """In the old container, which runs again. One that fails keeps nobody from going back: it is noted."""
        try:
            self.run_hook(before=False)
        except UptainerError as error:
            before = self.journal.read().update.status_reason
            self.journal.note(". ".join(each for each in (before, str(error)) if each))

    def back_up_volumes(self) -> Mapping[str, Any]:
        """The configuration is the one from before the stop, which may have changed what it says, or removed the container."""
        with self.journal.transaction() as session:
            saved = session.scalars(self._row()).one().configuration
        try:
            backup = self._write(saved, with_data=True)
        except UptainerError as error:
            self._note_failure(str(error))
            raise
        backup_id = self._note(backup)
        return {"backup_id": backup_id, "bytes": backup.bytes, "archives": len(backup.archives)}

    def check_restore(self, backup_id: int) -> None:
        """What is overwritten has to be among what is backed up before. Raises RefusedError."""
        refuse_other_volumes(self._earlier(backup_id), self.subject.key, self.plan.mounts)

    def restore_volumes(self, backup_id: int) -> Mapping[str, Any]:
        """Data of an earlier backup, for a reversal that asks for it."""
        backup = self._earlier(backup_id)
        restore(backup, self.runtime, self.subject.key)
        return {"location": str(backup.location), "archives": len(backup.archives)}

    def put_back_volumes(self, record: Record) -> None:
        """Restore the data if the backup was whole and something may have been written since."""
        entry = next(entry for entry in record.journal if entry.name == BACK_UP_VOLUMES)
        if entry.result and data_may_differ(self.plan.steps, record.journal):
            with self.journal.transaction() as session:
                row = session.scalars(self._row()).one()
            restore(read_backup(row, self.stores), self.runtime, self.subject.key)

    def validate(self, health: HealthPlan, image_id: str) -> Mapping[str, Any]:
        """Raises: PermanentError, with what is wrong with the new container or with those that depend on it."""
        if not self.plan.ran:
            return {"reason": "it did not run before, and was not started"}
        judgement = prove(self.runtime, self.subject.key, health, self.clock, image_id=image_id)
        if judgement.proof is Proof.UNHEALTHY:
            raise PermanentError(f"{self.subject.key} is not healthy: {judgement.reason}")
        for key in self.plan.affected:
            status = self.runtime.state(key).status
            if status not in RUNS:
                raise PermanentError(f"{key}, which depends on {self.subject.key}, is {status}")
        return {"reason": judgement.reason}

    def forget_partial(self) -> None:
        """What a dead process left of an archive. A store that is away must not keep the workload down: retention has it too."""
        with suppress(UptainerError):
            remove_partial(self.location)

    def _earlier(self, backup_id: int) -> Backup:
        with self.journal.transaction() as session:
            row = BackupRepository(session).by_id(backup_id)
        return read_backup(row, self.stores)

    def _write(self, configuration: Mapping[str, Any], *, with_data: bool) -> Backup:
        return back_up(
            self.runtime,
            self.subject.key,
            self.plan.mounts if with_data else (),
            self.location,
            image_reference=self.subject.update.from_reference,
            image_id=self.plan.image_id,
            now=self.clock.now(),
            configuration=configuration,
        )

    def _note(self, backup: Backup) -> int:
        """The row of this update, made or completed."""
        now = self.clock.now()
        with self.journal.transaction() as session:
            row = session.scalars(self._row()).one_or_none() or self._new_row(backup.created_at)
            row.status = BackupStatus.SUCCEEDED
            row.configuration = dict(backup.configuration)
            row.archives = [archive.as_json() for archive in backup.archives]
            row.size = backup.bytes
            row.error = None
            row.finished_at = row.verified_at = now
            session.add(row)
            session.flush()
            return row.id

    def _note_failure(self, error: str) -> None:
        with self.journal.transaction() as session:
            row = session.scalars(self._row()).one_or_none()
            if row is not None:
                row.status, row.error, row.finished_at = BackupStatus.FAILED, error, self.clock.now()

    def _row(self) -> Any:
        return select(ContainerBackup).where(ContainerBackup.update_id == self.subject.update.id)

    def _new_row(self, created_at: datetime) -> ContainerBackup:
        update = self.subject.update
        return ContainerBackup(
            container_id=update.container_id,
            update_id=update.id,
            reason=f"before update {update.id} to {update.to_reference}",
            image_reference=update.from_reference,
            image_digest=update.from_digest,
            image_id=update.from_image_id,
            location=self.plan.backup_location,
            store=options_of(self.plan).backup_store,
            created_at=created_at,
        )
