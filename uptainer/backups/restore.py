"""Putting a backup's data back."""

from collections.abc import Callable, Sequence
from datetime import datetime

from uptainer.backups.backup import Backup, back_up, prove_store, read, verify
from uptainer.backups.store import Location
from uptainer.core.enums import ContainerStatus
from uptainer.core.errors import RefusedError, UnfinishedError, UptainerError
from uptainer.core.workloads import Mount
from uptainer.runtimes.port import Runtime

UP = frozenset({ContainerStatus.RUNNING, ContainerStatus.PAUSED, ContainerStatus.RESTARTING})


def restore(backup: Backup, runtime: Runtime, key: str) -> None:
    """Make each mount of the backup exactly what it was. Nothing is written before all of it was verified.

    The workload must not run meanwhile. Doing it again gives the same.

    Raises:
        PermanentError: the backup is damaged (nothing was written), or the engine refused the data.
        NotFoundError, UnreachableError: the engine's, or the store's.
    """
    verify(backup)
    _write(backup, runtime, key)


def refuse_other_volumes(backup: Backup, workload: str, mounts: Sequence[Mount]) -> None:
    """What is overwritten has to be the workload's own, as it is now: another's is neither stopped for it nor kept before.

    Raises:
        RefusedError: which volume of the backup is not among `mounts`, or only to be read.
    """
    own = {_volume(mount) for mount in mounts if not mount.read_only}
    for name, destination in (_volume(archive.mount) for archive in backup.archives):
        if (name, destination) not in own:
            raise RefusedError(
                f"{workload} does not have {name} at {destination} any more, or may only read it, of which this backup is: "
                "restore it under another name (--as), and take over from there"
            )


def restore_on_request(
    backup: Backup,
    runtime: Runtime,
    key: str,
    *,
    safety: Location,
    now: datetime,
    starts: bool = False,
    kept: Callable[[Backup], None] = lambda _: None,
    written: Callable[[], None] = lambda: None,
) -> Backup:
    """Stop the workload, keep what is there now in `safety`, restore, and start it if it ran; returns the safety copy.

    With `starts` it is started although it did not run, once the data is restored. `kept` is told of the safety copy before the first byte is written, and
    `written` that the data is whole, before anything runs on it: a process that goes on after this one needs both.
    Where the data can't be written, what was there before is put back.

    Raises:
        RefusedError: it can't be stopped, or its data not be replaced; nothing was touched.
        PermanentError, TemporaryError: nothing was changed, or what was there before is back; it runs again.
        UnfinishedError: neither could be done, or it could not be started. Nothing runs on data that is not whole.
    """
    verify(backup)
    for archive in backup.archives:
        runtime.check_mount(key, archive.mount)
    if ran := runtime.state(key).status in UP:
        runtime.check_stop(key)
    prove_store(safety)
    try:
        if ran:
            runtime.stop(key)
        mounts = [archive.mount for archive in backup.archives]
        copy = back_up(runtime, key, mounts, safety, image_reference=backup.image_reference, now=now)
        kept(copy)
    except BaseException:
        start_again(runtime, key, ran=ran)
        raise
    fault = _write_or_go_back(backup, runtime, key, copy, written)
    start_again(runtime, key, ran=ran or (starts and fault is None))
    if fault is not None:
        raise fault
    return copy


def start_again(runtime: Runtime, key: str, *, ran: bool = True) -> None:
    """Raises: UnfinishedError, where what ran before can't be started."""
    if not ran:
        return
    try:
        runtime.start(key)
    except UptainerError as error:
        raise UnfinishedError(
            f"{key} could not be started again: {error}. `uptainer run recover` tries it again"
        ) from error


def _volume(mount: Mount) -> tuple[str, str]:
    return mount.name or mount.source, mount.destination


def _write(backup: Backup, runtime: Runtime, key: str) -> None:
    for archive in backup.archives:
        runtime.write_mount(key, archive.mount, read(backup, archive))


def _write_or_go_back(
    backup: Backup, runtime: Runtime, key: str, copy: Backup, written: Callable[[], None]
) -> UptainerError | None:
    """Why it could not be written; then what was there before is back. Raises UnfinishedError, where that is not."""
    fault: UptainerError | None = None
    try:
        try:
            _write(backup, runtime, key)
        except UptainerError as error:
            fault = type(error)(f"{error}. What was there before is back, and is kept in {copy.location}")
            restore(copy, runtime, key)
        written()
    except UptainerError as error:
        raise UnfinishedError(
            f"{error}. The data of {key} is not whole, so that it stays stopped: `uptainer run recover` tries it again. What "
            f"was there before is kept in {copy.location}"
        ) from error
    return fault
