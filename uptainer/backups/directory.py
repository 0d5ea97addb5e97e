"""Backups as directories: archives and a manifest, whole under their name or not there."""

import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from uptainer.backups.archives import Archive, verify_archive, write_archive
from uptainer.backups.disk import disk_errors, sync_directory
from uptainer.core.errors import InvalidInputError, PermanentError
from uptainer.core.workloads import Mount
from uptainer.runtimes.port import Runtime

MANIFEST = "manifest.json"
FORMAT = 1
_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]+")


@dataclass(frozen=True, slots=True)
class Backup:
    """What lies in one directory: a workload's configuration, its image, and an archive for each mount."""

    host: str
    workload: str
    image_reference: str
    image_id: str
    configuration: Mapping[str, Any]
    created_at: datetime
    directory: Path
    archives: tuple[Archive, ...] = ()

    @property
    def bytes(self) -> int:
        return sum(archive.bytes for archive in self.archives)

    def as_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "host": self.host,
            "workload": self.workload,
            "image_reference": self.image_reference,
            "image_id": self.image_id,
            "configuration": dict(self.configuration),
            "created_at": self.created_at.isoformat(),
            "archives": [archive.as_json() for archive in self.archives],
        }

    @classmethod
    def read(cls, directory: Path) -> Self:
        """Read a backup's manifest.

        Raises:
            PermanentError: there is no backup, or its manifest is damaged.
        """
        try:
            document = json.loads((directory / MANIFEST).read_text())
            if document.pop("format") != FORMAT:
                raise PermanentError(f"the backup in {directory} was written by another version of uptainer")
            document["created_at"] = datetime.fromisoformat(document["created_at"])
            document["archives"] = tuple(Archive.from_json(each) for each in document["archives"])
            return cls(**document, directory=directory)
        except FileNotFoundError as error:
            raise PermanentError(f"there is no backup in {directory}") from error
        except (KeyError, TypeError, ValueError, AttributeError, InvalidInputError) as error:
            raise PermanentError(f"the manifest of the backup in {directory} is damaged: {error}") from error


def back_up(
    runtime: Runtime,
    key: str,
    mounts: Sequence[Mount],
    directory: Path,
    *,
    image_reference: str,
    now: datetime,
    configuration: Mapping[str, Any] | None = None,
) -> Backup:
    """Write the workload's configuration and the content of `mounts` into `directory`, and read it all again.

    `image_reference` is what its image is called; the engine knows the id. `configuration` is given where what the
    engine would say now is not what is to be kept. The directory appears under its name only when everything in it is on the disk. One that is there already from an
    earlier try is written anew. For data that must be of one moment, stop the workload first.

    Raises:
        PermanentError: the disk is full or refuses, or what was read again differs; nothing is left behind.
        NotFoundError, UnreachableError: the engine's.
    """
    image_id = runtime.state(key).image_id
    partial = _partial(directory)
    remove_partial(directory)
    try:
        with disk_errors(directory.parent):
            partial.mkdir(parents=True, mode=0o700)
        archives = tuple(
            _archive(runtime, key, mount, partial, number) for number, mount in enumerate(mounts, 1)
        )
        kept = runtime.configuration(key) if configuration is None else configuration
        backup = Backup(
            host=runtime.address.name,
            workload=key,
            image_reference=image_reference,
            image_id=image_id,
            configuration=kept,
            created_at=now,
            directory=directory,
            archives=archives,
        )
        for archive in archives:
            verify_archive(archive, partial)
        _write_manifest(backup, partial)
        _put_in_place(partial, directory)
    except BaseException:
        remove_partial(directory)
        raise
    return backup


def verify(backup: Backup) -> None:
    """Read every archive again.

    Raises:
        PermanentError: something is missing or is not what was written.
    """
    if Backup.read(backup.directory).archives != backup.archives:
        raise PermanentError(f"the backup in {backup.directory} is not the one that was written")
    for archive in backup.archives:
        verify_archive(archive, backup.directory)


def delete(directory: Path) -> None:
    """Remove a backup's files; it is no error that they are gone already."""
    remove_partial(directory)
    _remove(directory)


def path_for(root: Path, host: str, workload: str, label: str) -> Path:
    """Where a backup is kept: `root/host/workload/label`, whatever characters the names have."""
    return root / _safe(host) / _safe(workload) / _safe(label)


def remove_partial(directory: Path) -> None:
    """Remove what a process that died left of a backup."""
    _remove(_partial(directory))


def _partial(directory: Path) -> Path:
    return directory.with_name(f".{directory.name}.partial")


def _remove(directory: Path) -> None:
    if directory.exists():
        with disk_errors(directory):
            shutil.rmtree(directory)


def _archive(runtime: Runtime, key: str, mount: Mount, partial: Path, number: int) -> Archive:
    path = partial / f"{number:02}-{_safe(mount.name or mount.destination)[:80]}.tar.zst"
    with runtime.read_mount(key, mount) as tar:
        return write_archive(mount, tar, path)


def _write_manifest(backup: Backup, partial: Path) -> None:
    path = partial / MANIFEST
    with disk_errors(partial):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(backup.as_json(), file, indent=1, sort_keys=True)
            file.flush()
            os.fsync(file.fileno())


def _put_in_place(partial: Path, directory: Path) -> None:
    with disk_errors(directory.parent):
        sync_directory(partial)
        _remove(directory)
        partial.rename(directory)
        sync_directory(directory.parent)


def _safe(name: str) -> str:
    """A name that can't leave its directory, or hide in it."""
    return _UNSAFE.sub("_", name).lstrip(".") or "_"
