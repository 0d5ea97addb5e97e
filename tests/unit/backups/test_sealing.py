"""Encrypted backups: what needs which key, and that the plain `age` tool opens them."""

import io
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import zstandard
from pyrage import x25519

from tests.lab.environment import lab_part
from tests.lab.room import LabUnavailableError
from tests.lab.volumes import DATA, LOGS, Tar, Volumes, tar_of
from uptainer.backups.backup import Backup, back_up, delete, read, verify, verify_files
from uptainer.backups.local import LocalFiles
from uptainer.backups.sealing import Cipher, Seal
from uptainer.backups.store import BackupStore, Location
from uptainer.core.errors import InvalidInputError, PermanentError, UnreachableError

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
OWN, OTHER = x25519.Identity.generate(), x25519.Identity.generate()
BOTH = Seal(recipients=(str(OWN.to_public()),), identities=(str(OWN),))
PUBLIC_ONLY = Seal(recipients=(str(OWN.to_public()),))
PASSPHRASE = Seal(passphrase="correct horse")


def at(directory: Path, seal: Seal | None) -> Location:
    return BackupStore(LocalFiles(directory), "offsite", seal).at(str(directory / "b"))


def keep(location: Location, **tars: Tar) -> Backup:
    mounts = [mount for mount in (DATA, LOGS) if mount.name in tars]
    return back_up(Volumes(**tars), "web", mounts, location, image_reference="app:1", now=NOW)  # type: ignore[arg-type]  # -- the calls it makes


def contents(backup: Backup) -> list[bytes]:
    return [b"".join(read(backup, archive)) for archive in backup.archives]


def test_what_was_encrypted_comes_back_and_names_nothing_where_it_lies(tmp_path: Path) -> None:
    tars = {"data": tar_of(a=b"hunter2" * 10_000, b=os.urandom(300_000)), "logs": tar_of(c=b"")}
    backup = keep(at(tmp_path, BOTH), **tars)
    found = Backup.read(at(tmp_path, BOTH))
    verify(found)
    assert found == backup
    assert contents(found) == list(tars.values())
    for path in (tmp_path / "b").iterdir():
        assert "data" not in path.name
        assert not [word for word in (b"hunter2", b"app:1", b"/data") if word in path.read_bytes()], path


def test_a_passphrase_opens_what_it_encrypted_and_another_does_not(tmp_path: Path) -> None:
    keep(at(tmp_path, PASSPHRASE), data=tar_of(a=b"1"))
    assert len(list((tmp_path / "b").iterdir())) == 4
    assert contents(Backup.read(at(tmp_path, PASSPHRASE))) == [tar_of(a=b"1")]
    with pytest.raises(PermanentError, match="the passphrase does not open it"):
        Backup.read(at(tmp_path, Seal(passphrase="wrong")))
    with pytest.raises(PermanentError, match="encrypted by a passphrase, and none is given"):
        Backup.read(at(tmp_path, BOTH))


def test_with_public_keys_alone_a_backup_is_made_and_checked_and_not_read(tmp_path: Path) -> None:
    location = at(tmp_path, PUBLIC_ONLY)
    keep(location, data=tar_of(a=b"1"))
    assert verify_files(location) == 1
    with pytest.raises(PermanentError, match="the backup store 'offsite' holds no key that opens it"):
        Backup.read(location)
    assert contents(Backup.read(at(tmp_path, BOTH))) == [tar_of(a=b"1")]
    delete(location)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("kept", "opened", "said"),
    [
        (BOTH, Seal(identities=(str(OTHER),)), "none of the store's keys opens it"),
        (BOTH, None, "holds no key"),
        (BOTH, PASSPHRASE, "encrypted to keys"),
    ],
)
def test_who_has_another_key_is_told_so(tmp_path: Path, kept: Seal, opened: Seal | None, said: str) -> None:
    keep(at(tmp_path, kept), data=tar_of())
    with pytest.raises(PermanentError, match=said):
        Backup.read(at(tmp_path, opened))


def test_what_was_not_encrypted_is_read_although_the_store_encrypts_by_now(tmp_path: Path) -> None:
    keep(at(tmp_path, None), data=tar_of(a=b"1"))
    assert contents(Backup.read(at(tmp_path, BOTH))) == [tar_of(a=b"1")]


@pytest.mark.parametrize("where", [10, 300, -1, -70_000])
def test_damage_is_noticed_with_the_key_and_without(tmp_path: Path, where: int) -> None:
    backup = keep(at(tmp_path, BOTH), data=tar_of(a=os.urandom(200_000)))
    path = tmp_path / "b" / backup.archives[0].file
    raw = bytearray(path.read_bytes())
    raw[where] ^= 1
    path.write_bytes(raw)
    with pytest.raises(PermanentError):
        verify(backup)
    with pytest.raises(PermanentError, match="not what was written"):
        verify_files(at(tmp_path, PUBLIC_ONLY))


def test_an_engine_that_breaks_off_is_not_taken_for_a_fault_of_the_encryption(tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield os.urandom(100_000)
        raise UnreachableError("the engine went away")

    with pytest.raises(UnreachableError, match="the engine went away"):
        keep(at(tmp_path, BOTH), data=broken)
    assert not list(tmp_path.iterdir())


def test_a_source_that_breaks_off_is_told_by_its_own_words() -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 100_000:
                raise UnreachableError("the store went away")
            return super().read(100_000)

    cipher = BOTH.begin()
    sealed = Broken(cipher.encrypt_bytes(os.urandom(300_000)))
    with pytest.raises(UnreachableError, match="the store went away"), cipher.decrypt(sealed) as plain:
        shutil.copyfileobj(plain, io.BytesIO())


def test_who_stops_reading_ends_the_decryption_too() -> None:
    cipher: Cipher = BOTH.begin()
    sealed = io.BytesIO(cipher.encrypt_bytes(bytes(3_000_000)))
    with pytest.raises(PermanentError, match="is damaged"), cipher.decrypt(sealed) as plain:
        assert plain.read(10) == bytes(10)
    assert "age" not in {each.name for each in threading.enumerate()}


@pytest.mark.parametrize(
    ("seal", "said"),
    [
        (Seal(recipients=("age1nonsense",)), "'age1nonsense' is not a public key"),
        (Seal(identities=("AGE-SECRET-KEY-1WRONG",)), "they begin with AGE-SECRET-KEY-1"),
        (replace(BOTH, passphrase="x"), "and not both"),
        (Seal(), "no key to encrypt to"),
    ],
)
def test_keys_that_are_none_are_refused_and_not_repeated(seal: Seal, said: str) -> None:
    with pytest.raises(InvalidInputError, match=said) as refused:
        seal.check()
    assert "WRONG" not in str(refused.value)
    assert "SECRET-KEY" not in repr(seal)


def test_the_plain_age_tool_opens_a_backup(tmp_path: Path) -> None:
    with lab_part():
        if shutil.which("age") is None:
            raise LabUnavailableError("no age on this machine (apt-get install age)")
    backup = keep(at(tmp_path, BOTH), data=tar_of(a=b"1" * 1000))
    key = tmp_path / "key.txt"
    key.write_text(f"{OWN}\n")
    manifest = json.loads((tmp_path / "b" / "manifest.json").read_text())
    opened = [
        subprocess.run(
            ["age", "-d", "-i", key, tmp_path / "b" / name], check=True, capture_output=True, timeout=20
        ).stdout
        for name in (backup.archives[0].file, manifest["contents"])
    ]
    assert zstandard.ZstdDecompressor().decompressobj().decompress(opened[0]) == tar_of(a=b"1" * 1000)
    assert json.loads(opened[1])["image_reference"] == "app:1"
