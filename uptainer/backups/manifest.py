"""The file by which a backup is known: what it holds, or, where it is encrypted, what lies there and nothing more.

The manifest of an encrypted backup names no volume, no image and no configuration: these are in a file of their own,
encrypted like the archives. What lies there can be checked by it, and removed, without any key.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from uptainer.backups.archives import Archive
from uptainer.backups.files import Draft, Source
from uptainer.backups.sealing import KEY_FILE, SUFFIX, Cipher
from uptainer.backups.store import Location
from uptainer.core.errors import DamagedError, PermanentError

MANIFEST = "manifest.json"
PLAIN = 1
SEALED = 2
Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Stored:
    """One file of a backup as it lies there, encrypted or not."""

    file: str
    bytes: int
    sha256: str


def write_manifest(document: Json, archives: Sequence[Archive], draft: Draft, cipher: Cipher | None) -> None:
    """Publish the draft, with `document` in its manifest or encrypted beside it."""
    if cipher is None:
        draft.publish(MANIFEST, _encoded({"format": PLAIN, **document}))
        return
    names = {"contents": f"{draft.prefix}{MANIFEST}{SUFFIX}"}
    _write(draft, names["contents"], cipher.encrypt_bytes(_encoded(document)))
    if cipher.key_file is not None:
        names["key"] = f"{draft.prefix}{KEY_FILE}"
        _write(draft, names["key"], cipher.key_file)
    files = [{"file": each.file, "bytes": each.bytes, "sha256": each.sha256} for each in archives]
    draft.publish(MANIFEST, _encoded({"format": SEALED, **names, "files": files}))


def read_manifest(location: Location) -> tuple[dict[str, Any], Cipher | None]:
    """What `write_manifest` was given, and the keys that open the archives.

    Raises:
        DamagedError: there is no backup, or it is damaged.
        PermanentError: it is encrypted and the store's keys do not open it, or another version wrote it.
        UnreachableError: the store does not answer.
    """
    document = _outer(location)
    if document.pop("format") == PLAIN:
        return document, None
    cipher = _cipher(location, document)
    try:
        opened = json.loads(cipher.decrypt_bytes(_read(location, document["contents"])))
    except PermanentError as error:
        raise type(error)(f"the backup in {location} cannot be opened: {error}") from error
    except (KeyError, ValueError) as error:
        raise _damaged(location, error) from error
    if not isinstance(opened, dict):
        raise _damaged(location, "it is no document")
    return opened, cipher


def read_stored(location: Location) -> tuple[Stored, ...]:
    """What lies there beside the manifest, for which no key is needed.

    Raises:
        PermanentError, UnreachableError: as `read_manifest`.
    """
    return _stored(location, _outer(location))


def is_sealed(location: Location) -> bool:
    """Whether it is encrypted. Raises: PermanentError, UnreachableError, as `read_manifest`."""
    return bool(_outer(location)["format"] == SEALED)


def names_of(location: Location) -> frozenset[str]:
    """The names of all files of the backup that lies there; none where there is no backup, or its manifest is damaged.

    Raises:
        PermanentError: the store does not let us read it, or another version wrote it: nobody knows what belongs to it.
        UnreachableError: the store does not answer.
    """
    try:
        document = _outer(location)
        stored = {each.file for each in _stored(location, document)}
    except DamagedError:
        return frozenset()
    beside = {document[name] for name in ("contents", "key") if isinstance(document.get(name), str)}
    return frozenset({MANIFEST, *stored, *beside})


def exists(location: Location) -> bool:
    """Whether a whole backup lies there.

    Raises:
        UnreachableError: the store does not answer.
    """
    return location.store.files.holds(location.place, MANIFEST)


def _outer(location: Location) -> dict[str, Any]:
    if not exists(location):
        raise DamagedError(f"there is no backup in {location}")
    try:
        document = json.loads(_read(location, MANIFEST))
        if document["format"] not in {PLAIN, SEALED}:
            raise PermanentError(f"the backup in {location} was written by another version of uptainer")
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(location, error) from error
    else:
        return dict(document)


def _stored(location: Location, document: Json) -> tuple[Stored, ...]:
    try:
        files = document["archives"] if document["format"] == PLAIN else document["files"]
        return tuple(Stored(each["file"], each["bytes"], each["sha256"]) for each in files)
    except (KeyError, TypeError) as error:
        raise _damaged(location, error) from error


def _cipher(location: Location, document: Json) -> Cipher:
    seal = location.store.seal
    if seal is None or not seal.opens:
        which = (
            f"the backup store {location.store.block!r}" if location.store.block else "the local directory"
        )
        raise PermanentError(f"the backup in {location} is encrypted, and {which} holds no key that opens it")
    key = document.get("key")
    try:
        return seal.open(_read(location, key) if isinstance(key, str) else None)
    except PermanentError as error:
        raise type(error)(f"the backup in {location} cannot be opened: {error}") from error


def _damaged(location: Location, fault: object) -> DamagedError:
    return DamagedError(f"the manifest of the backup in {location} is damaged: {fault}")


def _encoded(document: Json) -> bytes:
    return json.dumps(document, indent=1, sort_keys=True).encode()


def _write(draft: Draft, name: str, content: bytes) -> None:
    with draft.write(name) as sink:
        sink.write(content)


def _read(location: Location, name: str) -> bytes:
    with location.store.files.read(location.place, name) as source:
        return _all_of(source)


def _all_of(source: Source) -> bytes:
    return b"".join(iter(lambda: source.read(1 << 20), b""))
