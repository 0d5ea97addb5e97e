"""Trying backups: the newest ones are restored beside everything else, compared, and cleared away again."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from uptainer.backups.archives import Archive
from uptainer.backups.backup import Backup, is_closed, read, verify, verify_files
from uptainer.backups.content import Comparison
from uptainer.backups.copying import fill, mount_in, plan_trial, reach
from uptainer.backups.store import Location, Stores
from uptainer.core.clock import Clock, utc_now
from uptainer.core.errors import (
    BusyError,
    DamagedError,
    NotFoundError,
    PermanentError,
    ProtocolError,
    RefusedError,
    UnsupportedError,
)
from uptainer.fleet.backing_up import policy_of
from uptainer.fleet.restoring import check_whole, view_of
from uptainer.fleet.updating import Opens
from uptainer.notices.notice import backup_test_failed
from uptainer.runtimes.capabilities import Capability
from uptainer.runtimes.copies import Copies, Copy
from uptainer.runtimes.port import Runtime
from uptainer.store.database import Database
from uptainer.store.repositories.audit import Actor, AuditRepository
from uptainer.store.repositories.backups import BackupRepository
from uptainer.store.repositories.containers import ContainerRepository, ContainerView
from uptainer.store.repositories.notices import NoticeRepository
from uptainer.updates.health import HealthPlan, Proof, prove
from uptainer.updates.keeping import read_backup
from uptainer.updates.locks import claim_workload

KEPT, RESTORED = "kept", "restored"
AT_ONCE = 2
"""So many may be tried beside each other on one host; another is taken to be as large."""
LEFT_FREE = 256 << 20
"""Bytes that stay for what runs there."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of trying one backup. `said` is a sentence; `passed` is None where it could not be restored to be tried."""

    backup_id: int
    workload: str
    passed: bool | None
    said: str


def backups_to_try(database: Database, now: datetime, *, every: timedelta, limit: int) -> Sequence[int]:
    """The newest whole backup with data of each workload, where the last try is longer ago than `every`; by number."""
    with database.session() as session:
        views = [view for view in ContainerRepository(session).listing() if view.host.enabled]
        rows = BackupRepository(session).to_test([view.container.id for view in views], now - every)
        return [row.id for row in rows[:limit]]


def try_backup(
    database: Database, backup_id: int, opens: Opens, stores: Stores, *, actor: Actor, start: bool = False
) -> Trial:
    """Restore a backup into volumes of its own, compare what came back with what was kept, and clear it away.

    With `start` the copy is started too, without a network, and has to prove its health. What came of it is kept with the
    backup, and told where it failed.

    Raises:
        BusyError: something works on the workload.
        TemporaryError: the host or the store did not answer: that says nothing of the backup.
        RefusedError: there is nothing to restore.
    """
    with database.session() as session:
        row = BackupRepository(session).by_id(backup_id)
        view = view_of(session, row)
    host = view.host.name
    with claim_workload(database, host, view.container.key), opens(host) as runtime:
        check_whole(database, backup_id, view)
        clear_trials(database, host, runtime)
        try:
            location = stores(row.store).at(row.location)
            if is_closed(location):
                said, passed = _check_alone(location), None
            else:
                backup = read_backup(row, stores)
                said, passed = _try(database, view, runtime, backup, backup_id, start=start)
        except DamagedError as error:
            said, passed = str(error), False
        except PermanentError as error:  # the store's, the engine's or the disk's
            said, passed = str(error), None
    _note(database, view, backup_id, actor, passed=passed, said=said)
    return Trial(backup_id, view.address, passed, said)


def clear_trials(database: Database, host: str, runtime: Runtime) -> int:
    """Remove what processes that died left of their tries; how many. One under way is left alone."""
    if not isinstance(runtime, Copies):
        return 0
    cleared = 0
    for mark in runtime.trial_copies():
        try:
            with claim_workload(database, host, mark):
                runtime.discard(mark)
                cleared += 1
        except BusyError:
            continue
    return cleared


def _try(
    database: Database,
    view: ContainerView,
    runtime: Runtime,
    backup: Backup,
    backup_id: int,
    *,
    start: bool,
) -> tuple[str, bool | None]:
    """What is said of it, and True where it was restored.

    Raises:
        DamagedError: with what is wrong with the backup.
        PermanentError: with what was in the way of trying it.
    """
    verify(backup)
    can = runtime.capabilities(view.container.workload_kind)
    if not isinstance(runtime, Copies) or not can.can(Capability.COPY):
        return _read_alone(backup, can.refused.get(Capability.COPY, "there is no way here")), None
    if why := _lacks_room(runtime, backup):
        return _read_alone(backup, why), None
    copy = plan_trial(backup, backup_id)
    with claim_workload(database, view.host.name, copy.name), _cleared(runtime, copy):
        try:
            runtime.copy(backup.configuration, copy)
        except (RefusedError, NotFoundError) as error:
            return _read_alone(backup, str(error)), None
        fill(backup, runtime, copy)
        files = _compare(backup, runtime, copy)
        health = _start(database, view, runtime, backup, copy) if start else ""
    return "; ".join(filter(None, (f"{files} files came back as they were kept", health))), True


def _lacks_room(copies: Copies, backup: Backup) -> str:
    """Why it is not unpacked on the disk of what runs; "" where there is room, or nobody can say how much there is."""
    needed = sum(archive.content_bytes for archive in backup.archives)
    try:
        free = copies.free_bytes()
    except UnsupportedError:
        return ""
    if free > AT_ONCE * needed + LEFT_FREE:
        return ""
    return f"it unpacks to {needed} bytes, and too little of the disk there is free beside that: {free} bytes"


@contextmanager
def _cleared(copies: Copies, copy: Copy) -> Iterator[None]:
    try:
        yield
    finally:
        copies.discard(copy.mark)


def _read_alone(backup: Backup, why: str) -> str:
    """What can't be made aside (its image is gone, it shares another's volumes) proves nothing, and is no fault of the backup."""
    files = 0
    for archive in backup.archives:
        with Comparison() as comparison:
            files += _read_kept(comparison, backup, archive)
    return f"{files} files were read whole, and not restored: {why}"


def _check_alone(location: Location) -> str:
    """A store that holds public keys alone is not meant to open what it keeps."""
    archives = verify_files(location)
    return f"{archives} volumes lie there as they were written, and were not restored: the store holds no private key"


def _compare(backup: Backup, runtime: Runtime, copy: Copy) -> int:
    """Raises: DamagedError, naming what differs; PermanentError, the engine's."""
    files = 0
    for archive in backup.archives:
        with Comparison() as comparison:
            files += _read_kept(comparison, backup, archive)
            with runtime.read_mount(copy.name, mount_in(archive.mount, copy)) as tar:
                comparison.read(RESTORED, tar)
            if differs := comparison.differences(KEPT, RESTORED):
                raise DamagedError(
                    f"{archive.mount.destination} does not come back as it was kept: {', '.join(differs)}"
                )
    return files


def _read_kept(comparison: Comparison, backup: Backup, archive: Archive) -> int:
    try:
        return comparison.read(KEPT, read(backup, archive))
    except ProtocolError as error:
        raise DamagedError(str(error)) from error


def _start(database: Database, view: ContainerView, runtime: Runtime, backup: Backup, copy: Copy) -> str:
    """Raises: DamagedError, where it is not well; PermanentError, the engine's."""
    if why := reach(backup):
        return f"it was not started, for it would reach {why}"
    policy = policy_of(database, view)
    runtime.start(copy.name)
    plan = HealthPlan(soak=policy.soak, deadline=policy.health_deadline)
    judgement = prove(runtime, copy.name, plan, Clock(), image_id=runtime.state(copy.name).image_id)
    if judgement.proof is Proof.UNHEALTHY:
        raise DamagedError(f"what was restored does not run well: {judgement.reason}")
    return f"started without a network, {judgement.reason}"


def _note(
    database: Database, view: ContainerView, backup_id: int, actor: Actor, *, passed: bool | None, said: str
) -> None:
    """What could not be tried leaves one that failed before as bad as it was."""
    now = utc_now()
    with database.session() as session:
        backups = BackupRepository(session)
        if passed is not None or backups.by_id(backup_id).test_passed is not False:
            backups.tested(backup_id, now, passed=passed, said=said)
        details = {"backup": backup_id, "passed": passed, "said": said}
        AuditRepository(session).append(actor, "backup.tested", f"workload/{view.address}", details)
        if passed is False:
            notice = backup_test_failed(
                view.host.name, view.container.key, backup_id, said, at=now, project=view.container.project
            )
            NoticeRepository(session).put(notice)
