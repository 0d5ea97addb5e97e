"""A backup under another name: which volumes that makes, and what of the machine it would share."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from secrets import token_hex
from typing import Any

from uptainer.backups.backup import Backup, read
from uptainer.core.errors import InvalidInputError, UnfinishedError, UptainerError
from uptainer.core.workloads import Mount
from uptainer.runtimes.copies import Copies, Copy
from uptainer.runtimes.engine import names
from uptainer.runtimes.port import Runtime

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")
_MODES = ("PidMode", "IpcMode", "UTSMode", "UsernsMode")


def plan_copy(backup: Backup, name: str, *, ports: bool) -> Copy:
    """Its mark begins with its name.

    Raises:
        InvalidInputError: that can't be a container's name.
    """
    if not _NAME.fullmatch(name) or names.role(name) is not None:
        raise InvalidInputError(
            f"{name!r} can't be a container's name: letters, digits, '_', '.' and '-', and none that Uptainer uses itself"
        )
    volumes = {old: f"{name}-{_short(old, number)}" for number, old in enumerate(_written(backup), 1)}
    return Copy(name, volumes, f"{name} {token_hex(4)}", ports=ports)


def plan_trial(backup: Backup, backup_id: int) -> Copy:
    name = names.name_of(names.Role.TEST, backup.workload, f"{backup_id:012x}")
    volumes = {old: f"uptainer-test-{backup_id}-{number}" for number, old in enumerate(_written(backup), 1)}
    return Copy(name, volumes, name, isolated=True)


def fill(backup: Backup, runtime: Runtime, copy: Copy) -> None:
    """Put the data of the backup into the volumes of its copy."""
    for archive in backup.archives:
        runtime.write_mount(copy.name, mount_in(archive.mount, copy), read(backup, archive))


def mount_in(mount: Mount, copy: Copy) -> Mount:
    return replace(mount, name=copy.volumes[mount.name], source="", anonymous=False)


def make(backup: Backup, runtime: Runtime, copies: Copies, copy: Copy) -> None:
    """The copy with its data, not started; nothing is left of one that could not be made.

    Raises:
        UnfinishedError: what there is of one that could not be made could not be removed either: recovery does that.
        PermanentError, TemporaryError: the store's, or the engine's.
    """
    try:
        copies.copy(backup.configuration, copy)
        fill(backup, runtime, copy)
    except BaseException as fault:
        _discard(copies, copy, fault)
        raise


def _discard(copies: Copies, copy: Copy, fault: BaseException) -> None:
    try:
        copies.discard(copy.mark)
    except UptainerError as error:
        raise UnfinishedError(
            f"{fault}. What there is of {copy.name} could not be removed: {error}. `uptainer run recover` tries it again"
        ) from fault


def shared_folders(backup: Backup) -> Sequence[str]:
    """Folders of the machine that both would write to."""
    return [
        str(each["Source"]) for each in _mounts(backup) if each["Type"] == "bind" and each.get("RW", True)
    ]


def reach(backup: Backup) -> str:
    """What of the machine a copy would reach although it has no network, so that it is not started; "" for nothing."""
    host: Mapping[str, Any] = backup.configuration["container"]["HostConfig"]
    if any(each["Type"] == "bind" for each in _mounts(backup)):
        return "folders or sockets of the machine"
    if host.get("Privileged") or host.get("Devices") or host.get("CapAdd"):
        return "rights beyond a container's own"
    if any(str(host.get(mode) or "").startswith(("host", "container:")) for mode in _MODES):
        return "processes outside of it"
    return ""


def _written(backup: Backup) -> Iterator[str]:
    for each in _mounts(backup):
        if each["Type"] == "volume" and each.get("RW", True):
            yield str(each["Name"])


def _mounts(backup: Backup) -> Sequence[Mapping[str, Any]]:
    mounts: Sequence[Mapping[str, Any]] = backup.configuration["container"].get("Mounts") or ()
    return mounts


def _short(volume: str, number: int) -> str:
    return str(number) if names.is_anonymous(volume) else volume
