"""Restores outside of an update."""

from sqlalchemy.orm import Session

from uptainer.backups.backup import Backup
from uptainer.backups.consistency import Hold
from uptainer.backups.restore import bring_back, restore_on_request
from uptainer.backups.store import Location, Stores
from uptainer.core.clock import utc_now
from uptainer.core.enums import BackupStatus, ContainerStatus
from uptainer.core.errors import NotFoundError, RefusedError
from uptainer.fleet.backing_up import begin, failing, finish, new_location, policy_of, require
from uptainer.fleet.updating import Opens
from uptainer.runtimes.capabilities import Capability
from uptainer.runtimes.port import Runtime
from uptainer.store.database import Database
from uptainer.store.models import ContainerBackup
from uptainer.store.repositories.audit import Actor, AuditRepository
from uptainer.store.repositories.backups import BackupRepository
from uptainer.store.repositories.containers import ContainerRepository, ContainerView
from uptainer.updates.locks import claim_workload

UP = frozenset({ContainerStatus.RUNNING, ContainerStatus.PAUSED, ContainerStatus.RESTARTING})


def restore_backup(database: Database, backup_id: int, opens: Opens, stores: Stores, *, actor: Actor) -> str:
    """Put back what a backup holds: into its workload, after a safety copy, or by creating it again where it is gone.

    Returns what was done, as a sentence.

    Raises:
        RefusedError: the backup did not succeed, or its files were removed.
    """
    with database.session() as session:
        row = BackupRepository(session).by_id(backup_id)
        view = view_of(session, row)
    check_whole(database, backup_id, view)
    backup, key = Backup.read(stores(row.store).at(row.location)), view.container.key
    with claim_workload(database, view.host.name, key), opens(view.host.name) as runtime:
        check_whole(database, backup_id, view)
        if any(each.key == key for each in runtime.containers()):
            require(view, runtime, Capability.BACK_UP_CONFIGURATION, Capability.RESTORE_VOLUMES)
            safety = new_location(view, stores(policy_of(database, view).backup_store)).beside("-safety")
            _restore_into(database, view, runtime, backup, safety, backup_id=backup_id, actor=actor)
            said = f"{view.address}: {len(backup.archives)} volumes are as they were; what was there is kept in {safety}"
        else:
            require(view, runtime, Capability.RECREATE, Capability.RESTORE_VOLUMES)
            bring_back(backup, runtime)
            said = f"{view.address} was created again from its backup, with {len(backup.archives)} volumes"
    with database.session() as session:
        AuditRepository(session).append(
            actor, "backup.restored", f"workload/{view.address}", {"backup": backup_id, "said": said}
        )
    return said


def view_of(session: Session, row: ContainerBackup) -> ContainerView:
    """Raises NotFoundError where the host was taken out of the fleet."""
    views = ContainerRepository(session).by_ids([row.container_id])
    if not views:
        raise NotFoundError(
            f"the host that backup {row.id} is of was taken out of the fleet: add it again to restore into it"
        )
    return views[0]


def check_whole(database: Database, backup_id: int, view: ContainerView) -> None:
    """Raises RefusedError where there is nothing to restore; asked again under the lock, for retention may be at it."""
    with database.session() as session:
        status = BackupRepository(session).by_id(backup_id).status
    if status is not BackupStatus.SUCCEEDED:
        raise RefusedError(
            f"backup {backup_id} of {view.address} is {status}: there is nothing to restore from it"
        )


def _restore_into(
    database: Database,
    view: ContainerView,
    runtime: Runtime,
    backup: Backup,
    safety: Location,
    *,
    backup_id: int,
    actor: Actor,
) -> None:
    runs = runtime.state(view.container.key).status in UP
    reason = f"before backup {backup_id} is restored"
    copy_id = begin(
        database, view, runtime, safety, reason=reason, hold=Hold(stops=runs), restores_id=backup_id
    )
    with failing(database, copy_id):
        kept = restore_on_request(backup, runtime, view.container.key, safety=safety, now=utc_now())
    finish(database, copy_id, kept, actor)
