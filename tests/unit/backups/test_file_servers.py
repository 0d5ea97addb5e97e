"""Stores that have directories, as SFTP and SMB do: here fsspec's own file system of this machine."""

import errno
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fsspec.implementations.local import LocalFileSystem

from tests.lab.volumes import DATA, LOGS, Tar, Volumes, tar_of
from uptainer.backups.backup import Backup, back_up, delete, exists, remove_partial, verify
from uptainer.backups.remote import RemoteFiles
from uptainer.backups.store import BackupStore, Location
from uptainer.core.errors import AccessDeniedError, PermanentError, UnreachableError

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


class Careful(LocalFileSystem):  # type: ignore[misc]  # -- fsspec says nothing of its types
    """Moves nothing onto what is there, as SMB does."""

    def mv(self, path1: str, path2: str, **given: object) -> None:
        if self.exists(path2):
            raise OSError(errno.EEXIST, "File exists", path2)
        super().mv(path1, path2, **given)


@pytest.fixture(params=[LocalFileSystem, Careful], ids=["moves onto", "moves beside"])
def location(tmp_path: Path, request: pytest.FixtureRequest) -> Location:
    files = RemoteFiles(f"file://{tmp_path}/kept", request.param())
    return BackupStore(files, "nas").new("h", "../w", "b")


def keep(location: Location, **tars: Tar) -> Backup:
    mounts = [mount for mount in (DATA, LOGS) if mount.name in tars]
    return back_up(Volumes(**tars), "web", mounts, location, image_reference="app:1", now=NOW)  # type: ignore[arg-type]  # -- the calls it makes


def lying(location: Location) -> list[str]:
    place = Path(location.place.removeprefix("file://"))
    return sorted(each.name.partition("-")[2] or each.name for each in place.iterdir())


def test_what_is_kept_there_is_known_by_its_manifest(location: Location) -> None:
    backup = keep(location, data=tar_of(a=b"1"), logs=tar_of())
    assert Backup.read(location) == backup
    verify(backup)
    assert lying(location) == ["01-data.tar.zst", "02-logs.tar.zst", "manifest.json"]


def test_one_that_breaks_off_leaves_the_one_before_and_nothing_else(location: Location) -> None:
    def broken() -> Iterator[bytes]:
        yield b"half of it"
        raise UnreachableError("the engine went away")

    before = keep(location, data=tar_of(a=b"1"))
    with pytest.raises(UnreachableError, match="the engine went away"):
        keep(location, logs=tar_of(), data=broken)
    verify(before)
    assert lying(location) == ["01-data.tar.zst", "manifest.json"]


@pytest.mark.parametrize("call", ["mv", "find"])
def test_a_store_that_goes_silent_around_the_manifest_leaves_a_whole_backup_or_none(
    location: Location, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """The manifest is there, and the answer that says so is lost; or nobody answers when the rest is tidied up."""
    kind = type(location.store.files.system)  # type: ignore[attr-defined]  # -- RemoteFiles
    works = getattr(kind, call)

    def silent(*given: object, **named: object) -> None:
        works(*given, **named)
        raise OSError("timed out")

    with monkeypatch.context() as away, suppress(UnreachableError):
        away.setattr(kind, call, silent)
        keep(location, data=tar_of(a=b"1"))
    assert exists(location)
    verify(Backup.read(location))


def test_what_a_dead_process_left_there_is_removed_and_the_backup_stays(location: Location) -> None:
    backup = keep(location, data=tar_of(a=b"1"))
    left = Path(location.place.removeprefix("file://")) / "0a0a0a0a-01-data.tar.zst"
    left.write_bytes(b"half of it")
    remove_partial(location)
    assert not left.exists()
    verify(backup)


def test_where_nobody_can_say_what_belongs_to_a_backup_nothing_is_removed(location: Location) -> None:
    keep(location, data=tar_of(a=b"1"))
    manifest = Path(location.place.removeprefix("file://")) / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"format": 1', '"format": 99'))
    before = lying(location)
    with pytest.raises(PermanentError, match="another version of uptainer"):
        remove_partial(location)
    assert lying(location) == before


def test_a_store_that_does_not_let_us_read_the_manifest_keeps_what_lies_there(
    location: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(location, data=tar_of(a=b"1"))

    def refused(*_given: object, **_named: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as closed:
        closed.setattr(type(location.store.files.system), "open", refused)  # type: ignore[attr-defined]  # -- RemoteFiles
        with pytest.raises(AccessDeniedError):
            remove_partial(location)
    verify(Backup.read(location))


def test_a_backup_made_again_takes_the_place_of_the_one_before_and_goes_when_removed(
    location: Location,
) -> None:
    keep(location, data=tar_of(a=b"1"), logs=tar_of())
    verify(keep(location, data=tar_of(a=b"2")))
    assert lying(location) == ["01-data.tar.zst", "manifest.json"]
    delete(location)
    delete(location)
    assert not exists(location)


def test_what_is_not_there_is_told_as_such(location: Location) -> None:
    with pytest.raises(PermanentError, match=f"there is no backup in {location}"):
        Backup.read(location)
    backup = keep(location, data=tar_of())
    (Path(location.place.removeprefix("file://")) / backup.archives[0].file).unlink()
    with pytest.raises(PermanentError, match="is not there any more"):
        verify(backup)
