"""One backup: archives and a manifest, whole in its place or not there."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Self

from uptainer.backups.archives import (
    Archive,
    read_archive,
    verify_archive,
    verify_stored,
    write_archive,
)
from uptainer.backups.files import Draft, safe_name
from uptainer.backups.manifest import exists, is_sealed, names_of, read_manifest, read_stored, write_manifest
from uptainer.backups.sealing import SUFFIX, Cipher
from uptainer.backups.store import Location
from uptainer.core.errors import DamagedError, InvalidInputError, PermanentError
from uptainer.core.workloads import Mount
from uptainer.runtimes.port import Runtime

__all__ = [
    "Backup",
    "back_up",
    "delete",
    "exists",
    "is_closed",
    "prove_store",
    "read",
    "remove_partial",
    "verify",
    "verify_files",
]

_PROOF = b"a backup is about to be written here"


@dataclass(frozen=True, slots=True)
class Backup:
    """What lies in one place: a workload's configuration, its image, and an archive for each mount.

    `cipher` opens the archives, where they are encrypted.
    """

    host: str
    workload: str
    image_reference: str
    image_id: str
    configuration: Mapping[str, Any] = field(repr=False)
    created_at: datetime
    location: Location
    archives: tuple[Archive, ...] = ()
    cipher: Cipher | None = field(default=None, repr=False, compare=False)

    @property
    def bytes(self) -> int:
        return sum(archive.bytes for archive in self.archives)

    def as_json(self) -> dict[str, Any]:
        return {
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
            DamagedError: there is no backup, or its manifest is damaged.
            PermanentError: it is encrypted and no key opens it, or the store refuses.
            UnreachableError: the store does not answer.
        """
        document, cipher = read_manifest(location)
        try:
            document["created_at"] = datetime.fromisoformat(document["created_at"])
            document["archives"] = tuple(Archive.from_json(each) for each in document["archives"])
            return cls(**document, location=location, cipher=cipher)
        except (KeyError, TypeError, ValueError, AttributeError, InvalidInputError) as error:
            raise DamagedError(f"the manifest of the backup in {location} is damaged: {error}") from error

    @classmethod
    def read_recorded(
        cls, location: Location, archives: Sequence[Mapping[str, Any]], configuration: Mapping[str, Any]
    ) -> Self:
        """As `read`, held against what was written down elsewhere when it was made: who may write to the store does not
        decide what is unpacked on a host, or what a container is made of.

        Raises:
            DamagedError: as `read`, or it is another one than was written down.
            PermanentError: as `read`.
        """
        found = cls.read(location)
        if found.archives != tuple(map(Archive.from_json, archives)):
            raise DamagedError(
                f"the backup in {location} is not the one that was made: its manifest says otherwise than the database"
            )
        return replace(found, configuration=configuration)


def back_up(
    runtime: Runtime,
    key: str,
    mounts: Sequence[Mount],
    location: Location,
    *,
    image_reference: str,
    now: datetime,
    image_id: str | None = None,
    configuration: Mapping[str, Any] | None = None,
) -> Backup:
    """Write the workload's configuration and the content of `mounts` to `location`, and read it all again.

    `image_reference` is what its image is called. `image_id` and `configuration` are given where what the engine would
    say now is not what is to be kept, or where the container went with its stop. One that is there already from an
    earlier try is written anew, and stands until then. For data that must be of one moment, stop the workload first.

    Raises:
        PermanentError: the store is full or refuses, or what was read again differs; nothing is left behind.
        NotFoundError, UnreachableError: the engine's, or the store's.
    """
    ran = runtime.state(key).image_id if image_id is None else image_id
    cipher = location.store.seal.begin() if location.store.seal else None
    with location.store.files.draft(location.place) as draft:
        archives = tuple(
            _archive(runtime, key, mount, draft, number=number, cipher=cipher)
            for number, mount in enumerate(mounts, 1)
        )
        kept = runtime.configuration(key) if configuration is None else configuration
        backup = Backup(
            host=runtime.address.name,
            workload=key,
            image_reference=image_reference,
            image_id=ran,
            configuration=kept,
            created_at=now,
            location=location,
            archives=archives,
            cipher=cipher,
        )
        for archive in archives:
            with draft.read(archive.file) as source:
                verify_archive(archive, source, cipher)
        write_manifest(backup.as_json(), archives, draft, cipher)
    return backup


def prove_store(location: Location) -> None:
    """Have the store take a file and give it back: to be asked before a workload is stopped for what is to lie there.

    Raises:
        PermanentError: the store is full or refuses, or what was read again differs.
        UnreachableError: the store does not answer.
    """
    with location.store.files.draft(location.place) as draft:
        name = f"{draft.prefix}proof"
        with draft.write(name) as sink:
            sink.write(_PROOF)
        with draft.read(name) as source:
            if source.read(len(_PROOF)) != _PROOF:
                raise PermanentError(f"{location} does not give back what was written there")


def verify(backup: Backup) -> None:
    """Read every archive again.

    Raises:
        DamagedError: something is missing or is not what was written.
        PermanentError: the store refuses, or no key opens it.
        UnreachableError: the store does not answer.
    """
    if Backup.read(backup.location).archives != backup.archives:
        raise DamagedError(f"the backup in {backup.location} is not the one that was written")
    for archive in backup.archives:
        for _ in read(backup, archive):
            pass


def is_closed(location: Location) -> bool:
    """Whether its store keeps backups that it is not meant to open, and this is one.

    Raises:
        DamagedError: there is no backup, or its manifest is damaged.
        PermanentError: the store refuses.
        UnreachableError: the store does not answer.
    """
    return not location.store.opens and is_sealed(location)


def verify_files(location: Location) -> int:
    """Read what lies there again, and compare it with what was written; needs no key. Returns how many archives.

    Raises:
        DamagedError: something is missing or is not what was written.
        PermanentError: the store refuses.
        UnreachableError: the store does not answer.
    """
    stored = read_stored(location)
    for each in stored:
        with location.store.files.read(location.place, each.file) as source:
            verify_stored(each.file, each.bytes, each.sha256, source)
    return len(stored)


def read(backup: Backup, archive: Archive) -> Iterator[bytes]:
    """The tar stream that went into this archive.

    Raises:
        DamagedError: the file is missing or damaged.
        PermanentError: the store refuses, or no key opens it.
        UnreachableError: the store does not answer.
    """
    with backup.location.store.files.read(backup.location.place, archive.file) as source:
        try:
            yield from read_archive(archive, source, backup.cipher)
        except PermanentError as error:
            raise type(error)(f"{error} (in {backup.location})") from error


def delete(location: Location) -> None:
    """Remove a backup's files; it is no error that they are gone already."""
    location.store.files.remove(location.place)


def remove_partial(location: Location) -> None:
    """Remove what a process that died left of a backup.

    Raises:
        PermanentError: what belongs to the backup that lies there cannot be read: nothing is removed.
        UnreachableError: the store does not answer.
    """
    location.store.files.remove_partial(location.place, names_of(location))


def _archive(
    runtime: Runtime, key: str, mount: Mount, draft: Draft, *, number: int, cipher: Cipher | None
) -> Archive:
    """What is encrypted has no name that says what it is of."""
    of = "" if cipher else "-" + safe_name(mount.name or mount.destination)[:80]
    name = f"{draft.prefix}{number:02}{of}.tar.zst{SUFFIX if cipher else ''}"
    left_out = runtime.left_out(key, mount)
    with runtime.read_mount(key, mount) as tar:
        archive = write_archive(mount, tar, draft, name, cipher)
    return replace(archive, left_out=left_out)
