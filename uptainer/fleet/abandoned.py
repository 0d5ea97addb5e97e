"""Backups and restores whose process died: the workload that was stopped for them runs again, with whole data."""

from collections.abc import Sequence
from contextlib import suppress

from uptainer.backups.backup import Backup, exists, remove_partial
from uptainer.backups.hooks import Hooks
from uptainer.backups.restore import restore
from uptainer.backups.store import Stores
from uptainer.core.clock import utc_now
from uptainer.core.enums import ContainerStatus
from uptainer.core.errors import BusyError, UptainerError
from uptainer.fleet.restoring import UP
from uptainer.fleet.updating import Opens
from uptainer.runtimes.port import Runtime
from uptainer.store.database import Database
from uptainer.store.models import ContainerBackup
from uptainer.store.repositories.audit import SYSTEM, AuditRepository
from uptainer.store.repositories.backups import BackupRepository
from uptainer.store.repositories.containers import ContainerRepository, ContainerView
from uptainer.updates.locks import claim_workload


def settle_abandoned(database: Database, opens: Opens, stores: Stores) -> Sequence[str]:
    """Put right what each dead backup or restore left; what was done, in sentences. One under way is left alone."""
    with database.session() as session:
        rows = BackupRepository(session).unfinished()
        views = ContainerRepository(session).by_ids([row.container_id for row in rows])
    by_id = {view.container.id: view for view in views}
    return [said for row in rows if (said := _settle(database, row, by_id[row.container_id], opens, stores))]


def _settle(
    database: Database, row: ContainerBackup, view: ContainerView, opens: Opens, stores: Stores
) -> str:
    host, key = view.host.name, view.container.key
    try:
        with claim_workload(database, host, key), opens(host) as runtime:
            with database.session() as session:
                if row.id not in {each.id for each in BackupRepository(session).unfinished()}:
                    return ""
            said = _put_right(database, row, view, runtime, stores)
    except BusyError:
        return ""
    except UptainerError as error:
        return f"backup {row.id} of {view.address} was cut off, and cannot be put right now: {error}"
    return said


def _put_right(
    database: Database, row: ContainerBackup, view: ContainerView, runtime: Runtime, stores: Stores
) -> str:
    """A restore that may have begun to write is done again, which gives the same; else nothing was touched."""
    key, again = view.container.key, _may_have_written(row, stores)
    if again:
        with database.session() as session:
            source = BackupRepository(session).by_id(row.restores_id or 0)
        if runtime.state(key).status in UP:
            runtime.stop(key)
        restore(Backup.read(stores(source.store).at(source.location)), runtime, key)
    said = _words(row, view, again=again) + _let_go(row, key, runtime)
    with database.session() as session:
        backups = BackupRepository(session)
        if again:
            kept = Backup.read(stores(row.store).at(row.location))
            backups.finish(row.id, [each.as_json() for each in kept.archives], size=kept.bytes, now=utc_now())
        else:
            backups.fail(row.id, "its process died", utc_now())
        AuditRepository(session).append(SYSTEM, "backup.settled", f"workload/{view.address}", {"said": said})
    return said


def _may_have_written(row: ContainerBackup, stores: Stores) -> bool:
    """A restore writes once its safety copy is whole. A store that is away keeps no workload down for a mere backup: what
    lies there goes with the failed backup's row.
    """
    if row.restores_id is None:
        with suppress(UptainerError):
            remove_partial(stores(row.store).at(row.location))
        return False
    location = stores(row.store).at(row.location)
    remove_partial(location)
    return exists(location)


def _let_go(row: ContainerBackup, key: str, runtime: Runtime) -> str:
    """It runs as before, and what was to be run at the end is; where that fails, it is said."""
    status = runtime.state(key).status
    if row.was_running and status not in UP:
        runtime.start(key)
    if row.was_paused and status is ContainerStatus.PAUSED:
        runtime.unpause(key)
    if row.after_hook is None:
        return ""
    try:
        Hooks.from_json(row.after_hook).run_after(runtime, key)
    except UptainerError as error:
        return f"; {error}"
    return ""


def _words(row: ContainerBackup, view: ContainerView, *, again: bool) -> str:
    if again:
        return f"the restore of backup {row.restores_id} into {view.address} was cut off, and has been done again"
    what = f"the restore of backup {row.restores_id} into" if row.restores_id else "a backup of"
    started = ", which runs again" if row.was_running or row.was_paused else ""
    return f"{what} {view.address} was cut off before anything was written{started}"
