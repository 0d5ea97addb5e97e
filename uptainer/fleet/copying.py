"""A backup restored under another name, beside the workload that it is of."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from uptainer.backups.backup import Backup, verify
from uptainer.backups.copying import make, plan_copy, shared_folders
from uptainer.backups.store import Stores
from uptainer.core.errors import UnfinishedError, UptainerError
from uptainer.fleet.backing_up import require
from uptainer.fleet.restoring import check_whole, left_out, view_of
from uptainer.fleet.updating import Opens, recorder
from uptainer.runtimes.capabilities import Capability
from uptainer.runtimes.copies import Copies, Copy
from uptainer.runtimes.port import Runtime
from uptainer.store.database import Database
from uptainer.store.models import ContainerBackup
from uptainer.store.repositories.audit import SYSTEM, Actor, AuditRepository
from uptainer.store.repositories.backups import BackupRepository
from uptainer.store.repositories.containers import ContainerView
from uptainer.updates.keeping import read_backup
from uptainer.updates.locks import claim_workload


def restore_as(
    database: Database,
    backup_id: int,
    opens: Opens,
    stores: Stores,
    name: str,
    *,
    actor: Actor,
    start: bool = False,
    ports: bool = False,
) -> str:
    """Make a container like the one that was backed up, under another name, with its data in volumes of its own.

    It takes nothing from the other one: no published ports unless told so, no static address, no alias. Returns what was
    done, as a sentence.

    Raises:
        InvalidInputError: that is no name.
        RefusedError: the name or a volume's is taken, or the backup did not succeed.
        UnsupportedError: this kind of workload can't be restored so; the message says why.
        NotFoundError: its image or a network is gone.
        UnfinishedError: it could not be made, and what there is of it is removed by recovery.
        BusyError: something works on one of the two, or another copy of this backup was cut off and is removed first.
    """
    with database.session() as session:
        row = BackupRepository(session).by_id(backup_id)
        view = view_of(session, row)
    check_whole(database, backup_id, view)
    backup = read_backup(row, stores)
    with _claimed(database, view, name, opens) as runtime:
        check_whole(database, backup_id, view)
        require(view, runtime, Capability.COPY, Capability.RESTORE_VOLUMES)
        assert isinstance(runtime, Copies), "its table says that it can"
        copy = plan_copy(backup, name, ports=ports)
        verify(backup)
        said = _words_of(view, backup, backup_id, copy)
        with _noted(database, view.host.name, backup_id, copy, actor=actor, said=said):
            make(backup, runtime, runtime, copy)
        if start:
            runtime.start(name)
    return f"{said}; {'it runs' if start else 'it is not started'}"


def remove_cut_off(database: Database, row: ContainerBackup, view: ContainerView, opens: Opens) -> str:
    """Remove what a process that died has made of a copy; what was done, "" where it was done or came to its end meanwhile.

    Raises:
        BusyError: it is being made.
        UnreachableError: the host does not answer.
    """
    mark = row.copying_as or ""
    name, _, _ = mark.partition(" ")
    with _claimed(database, view, name, opens) as runtime:
        with database.session() as session:
            if BackupRepository(session).by_id(row.id).copying_as != mark:
                return ""
        assert isinstance(runtime, Copies), "one was made there"
        runtime.discard(mark)
        subject = f"workload/{view.host.name}/{name}"
        with database.session() as session:
            BackupRepository(session).copied(row.id)
            AuditRepository(session).append(SYSTEM, "backup.copy-removed", subject, {"backup": row.id})
    return f"the copy {view.host.name}/{name} of backup {row.id} was cut off, and what there was of it is removed"


@contextmanager
def _claimed(database: Database, view: ContainerView, name: str, opens: Opens) -> Iterator[Runtime]:
    """The one and the other, whoever asks in the same order."""
    with ExitStack() as held:
        for key in sorted({view.container.key, name}):
            held.enter_context(claim_workload(database, view.host.name, key))
        yield held.enter_context(recorder(database, opens)(view.host.name))


@contextmanager
def _noted(
    database: Database, host: str, backup_id: int, copy: Copy, *, actor: Actor, said: str
) -> Iterator[None]:
    """Before the first volume is made, and until it is whole: should this process die, `remove_cut_off` has its mark."""
    with database.session() as session:
        BackupRepository(session).copying(backup_id, copy.mark)
    try:
        yield
    except UnfinishedError:
        raise
    except UptainerError:
        with database.session() as session:
            BackupRepository(session).copied(backup_id)
        raise
    with database.session() as session:
        BackupRepository(session).copied(backup_id)
        subject = f"workload/{host}/{copy.name}"
        AuditRepository(session).append(
            actor, "backup.restored-as", subject, {"backup": backup_id, "said": said}
        )


def _words_of(view: ContainerView, backup: Backup, backup_id: int, copy: Copy) -> str:
    volumes = ", ".join(copy.volumes.values()) or "no volumes"
    parts = [
        f"{view.host.name}/{copy.name} was made from backup {backup_id} of {view.address}, with {volumes}"
    ]
    empty = len(copy.volumes) - len(backup.archives)
    if empty > 0:
        parts.append(f"{empty} of its volumes are empty, for the backup does not hold them")
    parts += [f"not in it: {text}" for text in left_out(backup)]
    if not copy.ports:
        parts.append("it publishes no ports")
    if folders := shared_folders(backup):
        parts.append(f"it shares {', '.join(folders)} with the other one")
    return "; ".join(parts)
