"""Putting a backup's data back."""

from datetime import datetime

from uptainer.backups.backup import Backup, back_up, read, verify
from uptainer.backups.store import Location
from uptainer.core.enums import ContainerStatus
from uptainer.core.errors import PermanentError
from uptainer.runtimes.port import Runtime

_UP = {ContainerStatus.RUNNING, ContainerStatus.PAUSED, ContainerStatus.RESTARTING}


def restore(backup: Backup, runtime: Runtime, key: str) -> None:
    """Make each mount of the backup exactly what it was. Nothing is written before all of it was verified.

    The workload must not run meanwhile. Doing it again gives the same.

    Raises:
        PermanentError: the backup is damaged (nothing was written), or the engine refused the data.
        NotFoundError, UnreachableError: the engine's, or the store's.
    """
    verify(backup)
    for archive in backup.archives:
        runtime.write_mount(key, archive.mount, read(backup, archive))


def restore_on_request(
    backup: Backup, runtime: Runtime, key: str, *, safety: Location, now: datetime
) -> Backup:
    """Stop the workload, keep what is there now in `safety`, restore, and start it if it ran; returns the safety copy.

    Raises:
        PermanentError: as `restore`; the safety copy stays, and the message says where.
    """
    verify(backup)
    ran = runtime.state(key).status in _UP
    if ran:
        runtime.stop(key)
    try:
        mounts = [archive.mount for archive in backup.archives]
        kept = back_up(runtime, key, mounts, safety, image_reference=backup.image_reference, now=now)
        _restore_or_say(backup, runtime, key, kept)
    finally:
        if ran:
            runtime.start(key)
    return kept


def bring_back(backup: Backup, runtime: Runtime) -> str:
    """Create a workload that is gone again from its backup, with its data, and start it; returns its key.

    Raises:
        PermanentError: the backup is damaged (nothing was created), or its image is gone.
    """
    verify(backup)
    key = runtime.create_from(backup.configuration, name=backup.workload)
    restore(backup, runtime, key)
    runtime.start(key)
    return key


def _restore_or_say(backup: Backup, runtime: Runtime, key: str, kept: Backup) -> None:
    try:
        restore(backup, runtime, key)
    except PermanentError as error:
        raise PermanentError(f"{error}. What was there before is kept in {kept.location}") from error
