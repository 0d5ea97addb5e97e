"""Restores outside of an update."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy.orm import Session

from uptainer.backups.backup import Backup
from uptainer.backups.consistency import Hold
from uptainer.backups.restore import UP, refuse_other_volumes, restore_on_request
from uptainer.backups.store import Location, Stores
from uptainer.core.clock import utc_now
from uptainer.core.enums import BackupStatus
from uptainer.core.errors import NotFoundError, RefusedError, UnfinishedError
from uptainer.fleet.backing_up import (
    begin,
    failing,
    finish,
    new_location,
    policy_of,
    refuse_unsettled,
    require,
)
from uptainer.fleet.updating import Opens, recorder
from uptainer.runtimes.capabilities import Capability
from uptainer.runtimes.port import Runtime
from uptainer.store.database import Database
from uptainer.store.models import ContainerBackup
from uptainer.store.repositories.audit import Actor, AuditRepository
from uptainer.store.repositories.backups import BackupRepository
from uptainer.store.repositories.containers import ContainerRepository, ContainerView
from uptainer.updates.keeping import read_backup
from uptainer.updates.locks import claim_workload


def restore_backup(database: Database, backup_id: int, opens: Opens, stores: Stores, *, actor: Actor) -> str:
    """Put back what a backup holds: into its workload, after a safety copy, or by creating it again where it is gone.

    Returns what was done, as a sentence.

    Raises:
        RefusedError: the backup did not succeed, its files were removed, its volumes are not the container's any more, or
            no safety copy could be had.
        UnfinishedError: the data is not whole, or the container does not start: recovery goes on with it.
    """
    with database.session() as session:
        row = BackupRepository(session).by_id(backup_id)
        view = view_of(session, row)
    check_whole(database, backup_id, view)
    backup, key = read_backup(row, stores), view.container.key
    records = recorder(database, opens)
    with claim_workload(database, view.host.name, key), records(view.host.name) as runtime:
        check_whole(database, backup_id, view)
        refuse_unsettled(database, view)
        safety = _safety_of(database, view, stores)
        with _there(view, runtime, backup) as made:
            _restore_into(
                database, view, runtime, backup, safety, backup_id=backup_id, actor=actor, made=made
            )
        how = "was created again from its backup, and its" if made else "has its"
        said = f"{view.address} {how} {len(backup.archives)} volumes as they were; what was there is kept in {safety}"
    said += "".join(f"; not in it: {text}" for text in left_out(backup))
    with database.session() as session:
        AuditRepository(session).append(
            actor, "backup.restored", f"workload/{view.address}", {"backup": backup_id, "said": said}
        )
    return said


def _safety_of(database: Database, view: ContainerView, stores: Stores) -> Location:
    """Where the safety copy goes. Raises RefusedError where it could not be read again: it would be no way back."""
    store = stores(policy_of(database, view).backup_store)
    if not store.opens:
        raise RefusedError(
            f"what is there now would be kept in the backup store {store.block!r}, which encrypts to keys that it cannot open: "
            "give its block the private key, or keep this workload's backups in another store meanwhile"
        )
    return new_location(view, store).beside("-safety")


def left_out(backup: Backup) -> Sequence[str]:
    """What of the volumes could not be read when it was made."""
    return sorted({archive.left_out for archive in backup.archives if archive.left_out})


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


@contextmanager
def _there(view: ContainerView, runtime: Runtime, backup: Backup) -> Iterator[bool]:
    """The container to restore into; whether it was made for that. One that was made goes again where that fails.

    Raises:
        RefusedError: it has other volumes now, so that what is restored would not be its own; or there is nothing to restore.
    """
    key = view.container.key
    now = next((each for each in runtime.containers() if each.key == key), None)
    if now is not None:
        require(view, runtime, Capability.BACK_UP_CONFIGURATION, Capability.RESTORE_VOLUMES)
        if not backup.archives:
            raise RefusedError(f"it holds no data, and {view.address} is there: there is nothing to put back")
        refuse_other_volumes(backup, view.address, now.mounts)
        yield False
        return
    require(view, runtime, Capability.RECREATE, Capability.RESTORE_VOLUMES)
    runtime.create_from(backup.configuration, name=key)
    try:
        yield True
    except UnfinishedError:
        raise
    except BaseException:
        runtime.remove(key)
        raise


def _restore_into(
    database: Database,
    view: ContainerView,
    runtime: Runtime,
    backup: Backup,
    safety: Location,
    *,
    backup_id: int,
    actor: Actor,
    made: bool,
) -> None:
    """A container that was made is started at the end, and not before it has its data."""
    runs = runtime.state(view.container.key).status in UP
    reason = f"before backup {backup_id} is restored"
    copy_id = begin(
        database, view, runtime, safety, reason=reason, hold=Hold(stops=runs), restores_id=backup_id
    )

    def kept(copy: Backup) -> None:
        archives = [archive.as_json() for archive in copy.archives]
        with database.session() as session:
            BackupRepository(session).kept(
                copy_id, archives, size=copy.bytes, starts=runs or made, now=utc_now()
            )

    def written() -> None:
        with database.session() as session:
            BackupRepository(session).written(copy_id, utc_now())

    with failing(database, copy_id):
        copy = restore_on_request(
            backup,
            runtime,
            view.container.key,
            safety=safety,
            now=utc_now(),
            starts=made,
            kept=kept,
            written=written,
        )
    finish(database, copy_id, copy, actor)
