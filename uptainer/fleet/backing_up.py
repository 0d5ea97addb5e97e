"""Backups outside of an update."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from uptainer.backups.backup import Backup, back_up, prove_store
from uptainer.backups.consistency import Hold
from uptainer.backups.store import BackupStore, Location, Stores
from uptainer.core.clock import utc_now
from uptainer.core.enums import Consistency, ContainerStatus
from uptainer.core.errors import NotFoundError, RefusedError, UnfinishedError, UptainerError
from uptainer.core.workloads import ContainerFacts, Mount
from uptainer.fleet.policies import PolicyBook
from uptainer.fleet.updating import Opens
from uptainer.fleet.views import facts_of
from uptainer.policy.settings import EffectivePolicy
from uptainer.runtimes.capabilities import Capability
from uptainer.runtimes.port import Runtime
from uptainer.store.database import Database
from uptainer.store.repositories.audit import Actor, AuditRepository
from uptainer.store.repositories.backups import BackupRepository
from uptainer.store.repositories.containers import ContainerRepository, ContainerView
from uptainer.updates.locks import claim_workload
from uptainer.updates.options import hooks_of

_WRITES = frozenset({ContainerStatus.RUNNING, ContainerStatus.RESTARTING})
"""One that is paused writes nothing, and stays paused."""


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


def back_up_workload(
    database: Database,
    address: str,
    opens: Opens,
    stores: Stores,
    *,
    actor: Actor,
    reason: str,
    consistency: Consistency | None = None,
) -> Kept:
    """Keep a workload's configuration and the data in its volumes, verified.

    It is held still meanwhile as its policy says, or as `consistency` does; what the policy has run before and after is
    run where it runs.

    Raises:
        BusyError: an update or another backup works on it, or one that was cut off is not put right yet.
        UnfinishedError: it could not be let go on; recovery does that.
        UnsupportedError: this kind of workload can't be backed up so; the message says why.
        RefusedError: its data would not be of one moment, for another container that runs has it too; or it would not be
            there any more once it was stopped.
        NotFoundError, UnreachableError, PermanentError, TemporaryError: as `uptainer.backups.backup.back_up`, or a
            command failed.
    """
    view = find_workload(database, address)
    with claim_workload(database, view.host.name, view.container.key):
        return back_up_claimed(
            database, view, opens, stores, actor=actor, reason=reason, consistency=consistency
        )


def back_up_claimed(
    database: Database,
    view: ContainerView,
    opens: Opens,
    stores: Stores,
    *,
    actor: Actor,
    reason: str,
    consistency: Consistency | None,
) -> Kept:
    """As `back_up_workload`, for who has claimed it already."""
    key, policy = view.container.key, policy_of(database, view)
    location = new_location(view, stores(policy.backup_store))
    with opens(view.host.name) as runtime:
        refuse_unsettled(database, view)
        require(view, runtime, Capability.BACK_UP_CONFIGURATION, Capability.BACK_UP_VOLUMES)
        now = find_now(view, runtime)
        volumes = written_volumes(now.mounts)
        how = consistency or policy.backup_consistency
        hold = _hold(volumes, policy, how, now.status)
        _require_hold(view, runtime, hold)
        if how is not Consistency.LIVE:
            _refuse_unsafe(runtime, key, volumes, hold)
        backup_id = begin(database, view, runtime, location, reason=reason, hold=hold)
        with failing(database, backup_id):
            prove_store(location)
            with hold.around(runtime, key):
                reference = view.container.image_reference
                backup = back_up(runtime, key, volumes, location, image_reference=reference, now=utc_now())
        finish(database, backup_id, backup, actor)
    return Kept(backup_id, view.address, location, len(backup.archives), backup.bytes)


def policy_of(database: Database, view: ContainerView) -> EffectivePolicy:
    with database.session() as session:
        return PolicyBook.load(session).policy_of(view).policy


def refuse_unsettled(database: Database, view: ContainerView) -> None:
    """Raises: BusyError; see `BackupRepository.refuse_unsettled`."""
    with database.session() as session:
        BackupRepository(session).refuse_unsettled(view.container.id)


def find_now(view: ContainerView, runtime: Runtime) -> ContainerFacts:
    """As the engine has it now: somebody may have made it anew, with other volumes, since discovery saw it.

    Raises:
        NotFoundError: it is gone.
    """
    found = next((each for each in runtime.containers() if each.key == view.container.key), None)
    if found is None:
        raise NotFoundError(f"{view.address} is not there any more")
    return found


def _hold(
    volumes: Sequence[Mount], policy: EffectivePolicy, consistency: Consistency, status: ContainerStatus
) -> Hold:
    """What does not run is still by itself, and nothing can be run in it; what keeps no data need not be still."""
    if status not in _WRITES or not volumes:
        return Hold()
    return Hold(consistency is Consistency.STOP, consistency is Consistency.PAUSE, hooks_of(policy))


def _require_hold(view: ContainerView, runtime: Runtime, hold: Hold) -> None:
    can, key = runtime.capabilities(view.container.workload_kind), view.container.key
    needed = {
        Capability.STOP: hold.stops,
        Capability.START: hold.stops,
        Capability.PAUSE: hold.pauses,
        Capability.UNPAUSE: hold.pauses,
        Capability.EXEC: bool(hold.hooks),
    }
    for capability in (each for each, wanted in needed.items() if wanted):
        can.require(capability, key)


def _refuse_unsafe(runtime: Runtime, key: str, volumes: Sequence[Mount], hold: Hold) -> None:
    """Holding this one still is not enough where another one that runs has the data too, and too much where it is gone then,
    or another one is cut off.

    Raises:
        RefusedError: who it is, or what else would be in the way of restoring it; and what can be done all the same.
    """
    if hold.stops:
        with _or_with("`pause` or `live`"):
            runtime.check_stop(key)
    with _or_with("`live`"):
        if hold.pauses:
            runtime.check_pause(key)
        for mount in volumes:
            runtime.check_mount(key, mount)


@contextmanager
def _or_with(consistency: str) -> Iterator[None]:
    try:
        yield
    except RefusedError as error:
        raise RefusedError(
            f"{error}. With the consistency {consistency} it is backed up all the same"
        ) from error


def new_location(view: ContainerView, store: BackupStore) -> Location:
    return store.new(view.host.name, view.container.key, f"{utc_now():%Y%m%dT%H%M%S.%fZ}")


def require(view: ContainerView, runtime: Runtime, first: Capability, with_data: Capability) -> None:
    can, key = runtime.capabilities(view.container.workload_kind), view.container.key
    can.require(first, key)
    if volumes_of(view):
        can.require(with_data, key)


def volumes_of(view: ContainerView) -> tuple[Mount, ...]:
    return written_volumes(facts_of(view).mounts)


def written_volumes(mounts: Sequence[Mount]) -> tuple[Mount, ...]:
    return tuple(mount for mount in mounts if mount.kind == "volume" and not mount.read_only)


def begin(
    database: Database,
    view: ContainerView,
    runtime: Runtime,
    location: Location,
    *,
    reason: str,
    hold: Hold,
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
            was_running=hold.stops,
            was_paused=hold.pauses,
            after_hook=hold.hooks.as_json() if hold.hooks else None,
            restores_id=restores_id,
            now=utc_now(),
        )
        return row.id


@contextmanager
def failing(database: Database, backup_id: int) -> Iterator[None]:
    """What is unfinished stays so in its row too: `abandoned` goes on with it."""
    try:
        yield
    except UnfinishedError:
        raise
    except UptainerError as error:
        with database.session() as session:
            BackupRepository(session).fail(backup_id, str(error), utc_now())
        raise


def finish(database: Database, backup_id: int, backup: Backup, actor: Actor) -> None:
    archives = [archive.as_json() for archive in backup.archives]
    with database.session() as session:
        backups = BackupRepository(session)
        backups.finish(backup_id, archives, size=backup.bytes, now=utc_now())
        backups.verified(backup_id, utc_now())
        subject = f"workload/{backup.host}/{backup.workload}"
        AuditRepository(session).append(
            actor, "backup.made", subject, {"backup": backup_id, "bytes": backup.bytes}
        )
