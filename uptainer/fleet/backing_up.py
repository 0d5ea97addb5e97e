"""Backups and restores outside of an update: on request, and by schedule."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from uptainer.backups.backup import Backup, back_up
from uptainer.backups.restore import bring_back, restore_on_request
from uptainer.backups.store import Location, Stores
from uptainer.core.clock import utc_now
from uptainer.core.enums import BackupStatus, ContainerStatus
from uptainer.core.errors import NotFoundError, RefusedError, UptainerError
from uptainer.core.workloads import Mount
from uptainer.fleet.policies import PolicyBook
from uptainer.fleet.updating import Opens
from uptainer.fleet.views import facts_of
from uptainer.policy.settings import EffectivePolicy
from uptainer.policy.windows import is_open
from uptainer.runtimes.capabilities import Capability
from uptainer.runtimes.port import Runtime
from uptainer.store.database import Database
from uptainer.store.models import ContainerBackup
from uptainer.store.repositories.audit import Actor, AuditRepository
from uptainer.store.repositories.backups import BackupRepository
from uptainer.store.repositories.containers import ContainerRepository, ContainerView
from uptainer.updates.locks import claim_workload

_WRITES = frozenset({ContainerStatus.RUNNING, ContainerStatus.RESTARTING})
"""One that is paused writes nothing, and stays paused."""
UP = frozenset({ContainerStatus.RUNNING, ContainerStatus.PAUSED, ContainerStatus.RESTARTING})


@dataclass(frozen=True, slots=True)
class Kept:
    """A backup that was made and verified. `bytes` are those of its archives, as they lie in the store."""

    backup_id: int
    workload: str
    location: Location
    archives: int
    bytes: int


def find_workload(database: Database, address: str) -> ContainerView:
    with database.session() as session:
        return ContainerRepository(session).by_address(address, with_vanished=True)


def due_for_backup(database: Database, now: datetime) -> Sequence[str]:
    """The workloads, by address, whose policy asks for regular backups, whose last is too old, and that may stop now."""
    with database.session() as session:
        book = PolicyBook.load(session)
        views = [view for view in ContainerRepository(session).listing() if _volumes(view)]
        last = BackupRepository(session).last_success([view.container.id for view in views])
        return [
            view.address
            for view in views
            if _is_due(book.policy_of(view).policy, last.get(view.container.id), now)
        ]


def _is_due(policy: EffectivePolicy, last: datetime | None, now: datetime) -> bool:
    if policy.backup_every is None or not is_open(policy.windows, policy.freezes, now):
        return False
    return last is None or last + policy.backup_every <= now


def back_up_workload(
    database: Database,
    address: str,
    opens: Opens,
    stores: Stores,
    *,
    actor: Actor,
    reason: str,
    stop: bool = True,
) -> Kept:
    """Keep a workload's configuration and the data in its volumes, verified; it is stopped meanwhile, unless told not to.

    Raises:
        BusyError: an update or another backup works on it.
        UnsupportedError: this kind of workload can't be backed up so; the message says why.
        NotFoundError, UnreachableError, PermanentError: as `uptainer.backups.backup.back_up`.
    """
    view = find_workload(database, address)
    location = _new_location(view, stores)
    with claim_workload(database, view.host.name, view.container.key), opens(view.host.name) as runtime:
        _require(view, runtime, Capability.BACK_UP_CONFIGURATION, Capability.BACK_UP_VOLUMES)
        stops = stop and runtime.state(view.container.key).status in _WRITES
        backup_id = _begin(database, view, runtime, location, reason, was_running=stops)
        with _failing(database, backup_id):
            backup = _copy(view, runtime, location, stops=stops)
        _finish(database, backup_id, backup, actor)
    return Kept(backup_id, view.address, location, len(backup.archives), backup.bytes)


def restore_backup(database: Database, backup_id: int, opens: Opens, stores: Stores, *, actor: Actor) -> str:
    """Put back what a backup holds: into its workload, after a safety copy, or by creating it again where it is gone.

    Returns what was done, as a sentence.

    Raises:
        RefusedError: the backup did not succeed, or its files were removed.
    """
    with database.session() as session:
        row = BackupRepository(session).by_id(backup_id)
        view = _view_of(session, row)
    _check_whole(database, backup_id, view)
    backup, key = Backup.read(stores(row.store).at(row.location)), view.container.key
    with claim_workload(database, view.host.name, key), opens(view.host.name) as runtime:
        _check_whole(database, backup_id, view)
        if any(each.key == key for each in runtime.containers()):
            _require(view, runtime, Capability.BACK_UP_CONFIGURATION, Capability.RESTORE_VOLUMES)
            safety = _new_location(view, stores).beside("-safety")
            _restore_into(database, view, runtime, backup, safety, backup_id=backup_id, actor=actor)
            said = f"{view.address}: {len(backup.archives)} volumes are as they were; what was there is kept in {safety}"
        else:
            _require(view, runtime, Capability.RECREATE, Capability.RESTORE_VOLUMES)
            bring_back(backup, runtime)
            said = f"{view.address} was created again from its backup, with {len(backup.archives)} volumes"
    with database.session() as session:
        AuditRepository(session).append(
            actor, "backup.restored", f"workload/{view.address}", {"backup": backup_id, "said": said}
        )
    return said


def _new_location(view: ContainerView, stores: Stores) -> Location:
    return stores("").new(view.host.name, view.container.key, f"{utc_now():%Y%m%dT%H%M%S.%fZ}")


def _require(view: ContainerView, runtime: Runtime, first: Capability, with_data: Capability) -> None:
    can, key = runtime.capabilities(view.container.workload_kind), view.container.key
    can.require(first, key)
    if _volumes(view):
        can.require(with_data, key)


def _view_of(session: Session, row: ContainerBackup) -> ContainerView:
    """Raises NotFoundError where the host was taken out of the fleet."""
    views = ContainerRepository(session).by_ids([row.container_id])
    if not views:
        raise NotFoundError(
            f"the host that backup {row.id} is of was taken out of the fleet: add it again to restore into it"
        )
    return views[0]


def _check_whole(database: Database, backup_id: int, view: ContainerView) -> None:
    """Raises RefusedError where there is nothing to restore; asked again under the lock, for retention may be at it."""
    with database.session() as session:
        status = BackupRepository(session).by_id(backup_id).status
    if status is not BackupStatus.SUCCEEDED:
        raise RefusedError(
            f"backup {backup_id} of {view.address} is {status}: there is nothing to restore from it"
        )


def _volumes(view: ContainerView) -> tuple[Mount, ...]:
    return tuple(mount for mount in facts_of(view).mounts if mount.kind == "volume" and not mount.read_only)


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
    copy_id = _begin(database, view, runtime, safety, reason, was_running=runs, restores_id=backup_id)
    with _failing(database, copy_id):
        kept = restore_on_request(backup, runtime, view.container.key, safety=safety, now=utc_now())
    _finish(database, copy_id, kept, actor)


def _begin(
    database: Database,
    view: ContainerView,
    runtime: Runtime,
    location: Location,
    reason: str,
    *,
    was_running: bool,
    restores_id: int | None = None,
) -> int:
    """Before anything is stopped: should this process die, `abandoned` finds the row and knows what to put right."""
    configuration = runtime.configuration(view.container.key)
    with database.session() as session:
        row = BackupRepository(session).begin(
            view.container.id,
            reason=reason,
            image_reference=view.container.image_reference,
            image_digest=view.image.digest if view.image else view.container.image_id,
            image_id=view.container.image_id,
            configuration=configuration,
            location=str(location),
            store=location.store.block,
            was_running=was_running,
            restores_id=restores_id,
            now=utc_now(),
        )
        return row.id


@contextmanager
def _failing(database: Database, backup_id: int) -> Iterator[None]:
    try:
        yield
    except UptainerError as error:
        with database.session() as session:
            BackupRepository(session).fail(backup_id, str(error), utc_now())
        raise


def _copy(view: ContainerView, runtime: Runtime, location: Location, *, stops: bool) -> Backup:
    key, reference = view.container.key, view.container.image_reference
    try:
        if stops:
            runtime.stop(key)
        return back_up(runtime, key, _volumes(view), location, image_reference=reference, now=utc_now())
    finally:
        if stops:
            runtime.start(key)


def _finish(database: Database, backup_id: int, backup: Backup, actor: Actor) -> None:
    archives = [archive.as_json() for archive in backup.archives]
    with database.session() as session:
        backups = BackupRepository(session)
        backups.finish(backup_id, archives, size=backup.bytes, now=utc_now())
        backups.verified(backup_id, utc_now())
        subject = f"workload/{backup.host}/{backup.workload}"
        AuditRepository(session).append(
            actor, "backup.made", subject, {"backup": backup_id, "bytes": backup.bytes}
        )
