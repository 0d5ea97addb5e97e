"""One backup: archives and a manifest, whole in its place or not there."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from uptainer.backups.archives import Archive, read_archive, verify_archive, write_archive
from uptainer.backups.store import Draft, Location, safe_name
from uptainer.core.errors import InvalidInputError, PermanentError
from uptainer.core.workloads import Mount
from uptainer.runtimes.port import Runtime

MANIFEST = "manifest.json"
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Backup:
    """What lies in one place: a workload's configuration, its image, and an archive for each mount."""

    host: str
    workload: str
    image_reference: str
    image_id: str
    configuration: Mapping[str, Any]
    created_at: datetime
    location: Location
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
    def read(cls, location: Location) -> Self:
        """Read a backup's manifest.

        Raises:
            PermanentError: there is no backup, or its manifest is damaged.
            UnreachableError: the store does not answer.
        """
        if not exists(location):
            raise PermanentError(f"there is no backup in {location}")
        with location.store.files.read(location.place, MANIFEST) as source:
            raw = source.read()
        try:
            document = json.loads(raw)
            if document.pop("format") != FORMAT:
                raise PermanentError(f"the backup in {location} was written by another version of uptainer")
            document["created_at"] = datetime.fromisoformat(document["created_at"])
            document["archives"] = tuple(Archive.from_json(each) for each in document["archives"])
            return cls(**document, location=location)
        except (KeyError, TypeError, ValueError, AttributeError, InvalidInputError) as error:
            raise PermanentError(f"the manifest of the backup in {location} is damaged: {error}") from error


def back_up(
    runtime: Runtime,
    key: str,
    mounts: Sequence[Mount],
    location: Location,
    *,
    image_reference: str,
    now: datetime,
    configuration: Mapping[str, Any] | None = None,
) -> Backup:
    """Write the workload's configuration and the content of `mounts` to `location`, and read it all again.

    `image_reference` is what its image is called; the engine knows the id. `configuration` is given where what the
    engine would say now is not what is to be kept. One that is there already from an earlier try is written anew, and
    stands until then. For data that must be of one moment, stop the workload first.

    Raises:
        PermanentError: the store is full or refuses, or what was read again differs; nothing is left behind.
        NotFoundError, UnreachableError: the engine's, or the store's.
    """
    image_id = runtime.state(key).image_id
    with location.store.files.draft(location.place) as draft:
        archives = tuple(
            _archive(runtime, key, mount, draft, number) for number, mount in enumerate(mounts, 1)
        )
        kept = runtime.configuration(key) if configuration is None else configuration
        backup = Backup(
            host=runtime.address.name,
            workload=key,
            image_reference=image_reference,
            image_id=image_id,
            configuration=kept,
            created_at=now,
            location=location,
            archives=archives,
        )
        for archive in archives:
            with draft.read(archive.file) as source:
                verify_archive(archive, source)
        draft.publish(MANIFEST, json.dumps(backup.as_json(), indent=1, sort_keys=True).encode())
    return backup


def verify(backup: Backup) -> None:
    """Read every archive again.

    Raises:
        PermanentError: something is missing or is not what was written.
        UnreachableError: the store does not answer.
    """
    if Backup.read(backup.location).archives != backup.archives:
        raise PermanentError(f"the backup in {backup.location} is not the one that was written")
    for archive in backup.archives:
        for _ in read(backup, archive):
            pass


def read(backup: Backup, archive: Archive) -> Iterator[bytes]:
    """The tar stream that went into this archive.

    Raises:
        PermanentError: the file is missing or damaged.
        UnreachableError: the store does not answer.
    """
    with backup.location.store.files.read(backup.location.place, archive.file) as source:
        try:
            yield from read_archive(archive, source)
        except PermanentError as error:
            raise PermanentError(f"{error} (in {backup.location})") from error


def exists(location: Location) -> bool:
    """Whether a whole backup lies there.

    Raises:
        UnreachableError: the store does not answer.
    """
    return location.store.files.holds(location.place, MANIFEST)


def delete(location: Location) -> None:
    """Remove a backup's files; it is no error that they are gone already."""
    location.store.files.remove(location.place)


def remove_partial(location: Location) -> None:
    """Remove what a process that died left of a backup."""
    location.store.files.remove_partial(location.place, MANIFEST)


def _archive(runtime: Runtime, key: str, mount: Mount, draft: Draft, number: int) -> Archive:
    name = f"{number:02}-{safe_name(mount.name or mount.destination)[:80]}.tar.zst"
    with runtime.read_mount(key, mount) as tar:
        return write_archive(mount, tar, draft, name)
