import errno
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import pytest

from tests.lab.volumes import DATA, LOGS, Volumes, tar_of
from uptainer.backups.archives import Archive, read_archive, verify_archive, write_archive
from uptainer.backups.backup import Backup, back_up, delete, verify
from uptainer.backups.disk import disk_errors
from uptainer.backups.local import LocalFiles, local_stores
from uptainer.backups.store import Location
from uptainer.core.errors import AccessDeniedError, NotFoundError, PermanentError, UnreachableError
from uptainer.core.workloads import Mount

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


def went_away() -> Iterator[bytes]:
    yield b"half of it"
    raise UnreachableError("the engine went away")


def at(directory: Path) -> Location:
    return local_stores(directory.parent)("").at(str(directory))


def keep(engine: Volumes, directory: Path, mounts: tuple[Mount, ...] = (DATA, LOGS)) -> Backup:
    return back_up(engine, "web", mounts, at(directory), image_reference="app:1", now=NOW)  # type: ignore[arg-type]  # -- the calls it makes


def write(tar: Iterable[bytes], directory: Path) -> Archive:
    """An archive `a` in the directory `b`."""
    with LocalFiles(directory).draft(str(directory / "b")) as draft:
        archive = write_archive(DATA, tar, draft, "a")
        draft.publish("manifest.json", b"{}")
        return archive


def contents(archive: Archive, directory: Path) -> bytes:
    with LocalFiles(directory).read(str(directory / "b"), "a") as source:
        return b"".join(read_archive(archive, source))


def test_what_comes_out_of_an_archive_is_what_went_in(tmp_path: Path) -> None:
    tar = tar_of(a=b"1" * 100_000, b=os.urandom(5000))
    archive = write([tar], tmp_path)
    assert contents(archive, tmp_path) == tar
    assert archive.content_bytes == len(tar)
    assert archive.content_sha256 == hashlib.sha256(tar).hexdigest()
    raw = (tmp_path / "b" / "a").read_bytes()
    assert (archive.bytes, archive.sha256) == (len(raw), hashlib.sha256(raw).hexdigest())
    assert len(raw) < len(tar)


def test_what_shrinks_well_is_read_in_bounded_pieces(tmp_path: Path) -> None:
    archive = write((bytes(1 << 20) for _ in range(64)), tmp_path)
    assert archive.bytes < 100_000
    with LocalFiles(tmp_path).read(str(tmp_path / "b"), "a") as source:
        assert max(map(len, read_archive(archive, source))) <= 1 << 20


def test_an_archive_is_for_its_owner_only(tmp_path: Path) -> None:
    write([b"x"], tmp_path)
    assert stat.S_IMODE((tmp_path / "b" / "a").stat().st_mode) == 0o600


@pytest.mark.parametrize("damage", ["flip", "cut", "append", "empty", "remove"])
def test_a_damaged_archive_is_noticed(tmp_path: Path, damage: str) -> None:
    archive = write([tar_of(a=os.urandom(1000))], tmp_path)
    path = tmp_path / "b" / "a"
    raw = bytearray(path.read_bytes())
    match damage:
        case "flip":
            raw[500] ^= 1
            path.write_bytes(raw)
        case "cut":
            path.write_bytes(raw[:-1])
        case "append":
            path.write_bytes(raw + b"x")
        case "empty":
            path.write_bytes(b"")
        case _:
            path.unlink()
    with pytest.raises(PermanentError), LocalFiles(tmp_path).read(str(path.parent), "a") as source:
        verify_archive(archive, source)


def test_an_archive_that_was_cut_is_not_read_as_a_shorter_one(tmp_path: Path) -> None:
    archive = write([tar_of(a=os.urandom(1000))], tmp_path)
    path = tmp_path / "b" / "a"
    path.write_bytes(path.read_bytes()[: archive.bytes // 2])
    with pytest.raises(PermanentError):
        contents(archive, tmp_path)


def test_a_backup_reads_back_as_it_was_written(tmp_path: Path) -> None:
    backup = keep(Volumes(data=tar_of(a=b"1"), logs=tar_of(b=b"2")), tmp_path / "b")
    assert Backup.read(at(tmp_path / "b")) == backup
    verify(backup)
    assert [archive.mount for archive in backup.archives] == [DATA, LOGS]
    assert backup.configuration == {"env": ["SECRET=hunter2"]}
    assert stat.S_IMODE((tmp_path / "b").stat().st_mode) == 0o700


def test_what_its_stop_removed_is_backed_up_with_the_image_that_it_ran(tmp_path: Path) -> None:
    class Gone(Volumes):
        def state(self, key: str) -> NoReturn:
            raise NotFoundError(f"there is no container named {key}")

    backup = back_up(
        Gone(data=tar_of(a=b"1")),  # type: ignore[arg-type]  # -- the calls it makes
        "web",
        (DATA,),
        at(tmp_path / "b"),
        image_reference="app:1",
        image_id="sha256:ran",
        now=NOW,
        configuration={},
    )
    assert Backup.read(backup.location).image_id == "sha256:ran"


def test_a_backup_that_stopped_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    engine = Volumes(data=tar_of(a=b"1"), logs=went_away)
    with pytest.raises(UnreachableError):
        keep(engine, tmp_path / "b")
    assert not list(tmp_path.iterdir())


def test_a_backup_that_stopped_in_the_middle_leaves_the_one_before(tmp_path: Path) -> None:
    before = keep(Volumes(data=tar_of(a=b"1"), logs=tar_of()), tmp_path / "b")
    with pytest.raises(UnreachableError):
        keep(Volumes(data=tar_of(a=b"2"), logs=went_away), tmp_path / "b")
    verify(before)


def test_a_backup_made_again_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    keep(Volumes(data=tar_of(a=b"1"), logs=tar_of()), tmp_path / "b")
    again = keep(Volumes(data=tar_of(a=b"2")), tmp_path / "b", (DATA,))
    verify(again)
    assert {path.name for path in (tmp_path / "b").iterdir()} == {"manifest.json", "01-data.tar.zst"}


@pytest.mark.parametrize(
    "manifest", ["", "{", "[]", "{}", '{"format": 2}', '{"format": 1}', '{"format": 1, "archives": [{}]}']
)
def test_a_damaged_manifest_is_an_error_in_plain_words(tmp_path: Path, manifest: str) -> None:
    keep(Volumes(), tmp_path / "b", ())
    (tmp_path / "b" / "manifest.json").write_text(manifest)
    with pytest.raises(PermanentError, match=str(tmp_path)):
        Backup.read(at(tmp_path / "b"))


def test_a_manifest_of_other_archives_is_not_this_backup(tmp_path: Path) -> None:
    backup = keep(Volumes(data=tar_of(a=b"1")), tmp_path / "b", (DATA,))
    with pytest.raises(PermanentError, match="not the one that was written"):
        verify(replace(backup, archives=()))


def test_a_backup_that_is_deleted_is_gone_and_may_be_deleted_again(tmp_path: Path) -> None:
    keep(Volumes(), tmp_path / "b", ())
    delete(at(tmp_path / "b"))
    delete(at(tmp_path / "b"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["../../etc", "/etc/passwd", "..", ".", "", "a b", "ü"])
def test_no_name_leads_out_of_the_directory(tmp_path: Path, name: str) -> None:
    path = Path(LocalFiles(tmp_path).place(name, name, name))
    assert path.resolve().is_relative_to(tmp_path.resolve())
    assert len(path.relative_to(tmp_path).parts) == 3
    assert not any(part.startswith(".") for part in path.relative_to(tmp_path).parts)


@pytest.mark.parametrize(
    ("number", "kind", "said"),
    [
        (errno.ENOSPC, PermanentError, "the disk is full"),
        (errno.EDQUOT, PermanentError, "quota"),
        (errno.EIO, PermanentError, "Input/output error"),
        (errno.EACCES, AccessDeniedError, "no permission"),
    ],
)
def test_what_a_disk_refuses_is_said_plainly(
    tmp_path: Path, number: int, kind: type[Exception], said: str
) -> None:
    with pytest.raises(kind, match=said), disk_errors(tmp_path):
        raise OSError(number, os.strerror(number))


def test_a_fault_of_the_engine_is_not_taken_for_one_of_the_disk(tmp_path: Path) -> None:
    def failing() -> Iterator[bytes]:
        yield b"some"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        write(failing(), tmp_path)
    assert not list(tmp_path.iterdir())
