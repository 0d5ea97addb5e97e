"""Backups and restores whose process died: the workload that was stopped for them runs again, with whole data, and a copy
that is not whole is removed.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from uptainer.backups.backup import Backup, exists, remove_partial
from uptainer.backups.hooks import Hooks
from uptainer.backups.restore import UP, restore
from uptainer.backups.store import Stores
from uptainer.core.clock import utc_now
from uptainer.core.enums import ContainerStatus
from uptainer.core.errors import BusyError, PermanentError, UptainerError
from uptainer.fleet.copying import remove_cut_off
from uptainer.fleet.updating import Opens, recorder
from uptainer.runtimes.port import Runtime
from uptainer.store.database import Database
from uptainer.store.models import ContainerBackup
from uptainer.store.repositories.audit import SYSTEM, AuditRepository
from uptainer.store.repositories.backups import BackupRepository
from uptainer.store.repositories.containers import ContainerRepository, ContainerView
from uptainer.updates.keeping import read_backup
from uptainer.updates.locks import claim_workload


@dataclass(frozen=True, slots=True)
class Settled:
    """What was done, as a sentence. `done` is False where it could not be put right, and its workload may be down."""

    said: str
    done: bool = True


def settle_abandoned(database: Database, opens: Opens, stores: Stores) -> Sequence[Settled]:
    """Put right what each dead backup or restore left. One under way is left alone.

    One on a host that was taken out of the fleet waits until the host is back.
    """
    with database.session() as session:
        backups = BackupRepository(session)
        rows, copied = backups.unfinished(), backups.half_copied()
        views = ContainerRepository(session).by_ids([row.container_id for row in (*rows, *copied)])
    by_id = {view.container.id: view for view in views}
    found = [(row, by_id[row.container_id]) for row in rows if row.container_id in by_id]
    copies = [(row, by_id[row.container_id]) for row in copied if row.container_id in by_id]
    settled = [
        *(
            _settle(row, view, partial(_settle_one, database, row, view, opens, stores))
            for row, view in found
        ),
        *(_settle(row, view, partial(remove_cut_off, database, row, view, opens)) for row, view in copies),
    ]
    return [each for each in settled if each is not None]


def _settle(row: ContainerBackup, view: ContainerView, put_right: Callable[[], str]) -> Settled | None:
    try:
        said = put_right()
    except BusyError:
        return None
    except UptainerError as error:
        said = f"backup {row.id} of {view.address} was cut off, and cannot be put right now: {error}"
        return Settled(said, done=False)
    return Settled(said) if said else None


def _settle_one(
    database: Database, row: ContainerBackup, view: ContainerView, opens: Opens, stores: Stores
) -> str:
    host, records = view.host.name, recorder(database, opens)
    with claim_workload(database, host, view.container.key), records(host) as runtime:
        with database.session() as session:
            now = next((each for each in BackupRepository(session).unfinished() if each.id == row.id), None)
        return _put_right(database, now, view, runtime, stores) if now else ""


def _put_right(
    database: Database, row: ContainerBackup, view: ContainerView, runtime: Runtime, stores: Stores
) -> str:
    """A restore that may have begun to write is done again, which gives the same; else nothing was touched."""
    if all(each.key != view.container.key for each in runtime.containers()):
        said = f"{_what(row)} {view.address} was cut off, and {view.address} is not there any more"
    elif _may_have_written(row, stores):
        said = _write_again(database, row, view, runtime, stores) + _let_go(row, view.container.key, runtime)
    else:
        said = _words(row, view) + _let_go(row, view.container.key, runtime)
    _close(database, row, view, stores, said)
    return said


def _close(database: Database, row: ContainerBackup, view: ContainerView, stores: Stores, said: str) -> None:
    """A safety copy that was made is good, whatever became of the restore; and may be the only one of what was there."""
    copy = _safety_copy(row, stores)
    now = utc_now()
    with database.session() as session:
        backups = BackupRepository(session)
        if copy is None:
            backups.fail(row.id, "its process died", now)
        else:
            backups.finish(row.id, [each.as_json() for each in copy.archives], size=copy.bytes, now=now)
            backups.verified(row.id, now)
        AuditRepository(session).append(SYSTEM, "backup.settled", f"workload/{view.address}", {"said": said})


def _safety_copy(row: ContainerBackup, stores: Stores) -> Backup | None:
    if row.restores_id is None:
        return None
    location = stores(row.store).at(row.location)
    return Backup.read(location) if exists(location) else None


def _may_have_written(row: ContainerBackup, stores: Stores) -> bool:
    """A restore writes once its safety copy is whole, until its data is. A store that is away keeps no workload down for a
    mere backup: what lies there goes with the failed backup's row.
    """
    if row.restores_id is None or row.finished_at is not None:
        with suppress(UptainerError):
            remove_partial(stores(row.store).at(row.location))
        return False
    location = stores(row.store).at(row.location)
    remove_partial(location)
    return exists(location)


def _write_again(
    database: Database, row: ContainerBackup, view: ContainerView, runtime: Runtime, stores: Stores
) -> str:
    """What can't be restored for good leaves what was there before."""
    key = view.container.key
    with database.session() as session:
        source = BackupRepository(session).by_id(row.restores_id or 0)
    if runtime.state(key).status in UP:
        runtime.stop(key)
    done = f"{_what(row)} {view.address} was cut off, and "
    try:
        restore(read_backup(source, stores), runtime, key)
        done += "has been done again"
    except PermanentError as error:
        restore(Backup.read(stores(row.store).at(row.location)), runtime, key)
        done += f"could not be done again: {error}. What was there before is back"
    with database.session() as session:
        BackupRepository(session).written(row.id, utc_now())
    return done


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


def _words(row: ContainerBackup, view: ContainerView) -> str:
    when = "after all was written" if row.finished_at else "before anything was written"
    started = ", which runs again" if row.was_running or row.was_paused else ""
    return f"{_what(row)} {view.address} was cut off {when}{started}"


def _what(row: ContainerBackup) -> str:
    return f"the restore of backup {row.restores_id} into" if row.restores_id else "a backup of"
