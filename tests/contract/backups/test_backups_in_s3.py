"""Backups in a bucket of a real S3 server: whole or not there, whatever happens to the engine, to us or to the server."""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from pyrage import x25519

from tests.lab.room import Room
from tests.lab.s3 import BUCKET, S3Server
from tests.lab.volumes import DATA, LOGS, Tar, Volumes, tar_of
from uptainer.backups.backup import (
    Backup,
    back_up,
    delete,
    exists,
    prove_store,
    remove_partial,
    verify,
    verify_files,
)
from uptainer.backups.opening import open_files
from uptainer.backups.restore import restore
from uptainer.backups.sealing import Seal
from uptainer.backups.store import BackupStore, Location
from uptainer.core.errors import AccessDeniedError, NotFoundError, PermanentError, UnreachableError
from uptainer.core.workloads import Mount

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
PIECE = 1 << 20


def keep(location: Location, mounts: Sequence[Mount] = (DATA,), **tars: Tar) -> Backup:
    return back_up(Volumes(**tars), "web", mounts, location, image_reference="app:1", now=NOW)  # type: ignore[arg-type]  # -- the calls it makes


def put_back(backup: Backup) -> dict[str, bytes]:
    engine = Volumes()
    restore(backup, engine, "web")  # type: ignore[arg-type]  # -- as above
    return engine.restored


def noise(pieces: int) -> Iterator[bytes]:
    """What no compression makes smaller."""
    return (os.urandom(PIECE) for _ in range(pieces))


def prefix_of(location: Location) -> str:
    return location.place.removeprefix(f"s3://{BUCKET}/") + "/"


def test_what_is_restored_from_a_bucket_is_what_was_kept_in_it(location: Location) -> None:
    tars = {"data": tar_of(a=os.urandom(12 * PIECE)), "logs": tar_of(b=b"2")}
    backup = keep(location, (DATA, LOGS), **tars)
    assert Backup.read(location) == backup
    assert put_back(Backup.read(location)) == tars
    assert verify_files(location) == 2


def test_a_backup_made_again_takes_the_place_of_the_one_before(location: Location, s3: S3Server) -> None:
    keep(location, (DATA, LOGS), data=tar_of(a=b"1"), logs=tar_of())
    again = keep(location, data=tar_of(a=b"2"))
    assert put_back(again) == {"data": tar_of(a=b"2")}
    assert len(s3.keys(prefix_of(location))) == 2


def test_an_engine_that_breaks_off_leaves_nothing_that_looks_like_a_backup(
    location: Location, s3: S3Server
) -> None:
    def broken() -> Iterator[bytes]:
        yield from noise(12)
        raise UnreachableError("the engine went away")

    with pytest.raises(UnreachableError, match="the engine went away"):
        keep(location, data=broken)
    assert not exists(location)
    assert s3.keys(prefix_of(location)) == s3.uploads() == []


def test_one_that_breaks_off_leaves_the_one_before_as_it_is(location: Location) -> None:
    def broken() -> Iterator[bytes]:
        yield from noise(1)
        raise UnreachableError("gone")

    before = keep(location, data=tar_of(a=b"1"))
    with pytest.raises(UnreachableError):
        keep(location, data=broken)
    verify(before)


KILLED = """
import os, signal, sys
from tests.contract.backups.test_backups_in_s3 import keep, noise
from uptainer.backups.opening import open_files
from uptainer.backups.store import BackupStore
options = {"key": sys.argv[2], "secret": sys.argv[3], "endpoint_url": sys.argv[4]}
store = BackupStore(open_files(sys.argv[1], options, part_size=5 << 20))
def dying():
    yield from noise(12)
    os.kill(os.getpid(), signal.SIGKILL)
from tests.lab.volumes import DATA, LOGS, tar_of
keep(store.new("host", "web", "b"), (LOGS, DATA), logs=tar_of(), data=dying)
"""


def test_what_a_killed_process_left_is_no_backup_and_is_removed(
    store: BackupStore, location: Location, s3: S3Server
) -> None:
    before = keep(location, data=tar_of(a=b"1"))
    given = [store.files.root, s3.options["key"], s3.options["secret"], s3.url]  # type: ignore[attr-defined]  # -- RemoteFiles
    command = [sys.executable, "-c", KILLED, *given]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert len(s3.keys(prefix_of(location))) == 3
    assert s3.uploads()
    verify(before)
    remove_partial(location)
    assert len(s3.keys(prefix_of(location))) == 2
    assert s3.uploads() == []
    assert put_back(Backup.read(location)) == {"data": tar_of(a=b"1")}


@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_a_file_that_is_damaged_in_the_bucket_is_noticed_before_anything_is_written(
    location: Location, s3: S3Server, damage: str
) -> None:
    backup = keep(location, data=tar_of(a=os.urandom(1000)))
    key = prefix_of(location) + backup.archives[0].file
    raw = bytearray(s3.read(key))
    raw[500] ^= 1
    match damage:
        case "flip":
            s3.write(key, bytes(raw))
        case "cut":
            s3.write(key, s3.read(key)[:-1])
        case _:
            s3.client.delete_object(Bucket=BUCKET, Key=key)
    engine = Volumes()
    with pytest.raises(PermanentError, match=r"damaged|not what was written|not there any more"):
        restore(backup, engine, "web")  # type: ignore[arg-type]  # -- the calls it makes
    assert engine.restored == {}
    with pytest.raises(PermanentError):
        verify_files(location)


def test_a_backup_that_is_removed_is_gone_and_its_neighbour_is_not(location: Location) -> None:
    keep(location, data=tar_of())
    beside = keep(location.beside("-safety"), data=tar_of())
    delete(location)
    delete(location)
    assert not exists(location)
    verify(beside)


def test_keys_that_are_wrong_are_told_as_such(s3: S3Server) -> None:
    files = open_files(s3.bucket, {**s3.options, "secret": "wrong"}, part_size=5 << 20)
    with pytest.raises(AccessDeniedError, match=f"{s3.bucket} does not let us in") as refused:
        keep(BackupStore(files).new("h", "w", "b"), data=tar_of())
    assert "wrong" not in str(refused.value)


def test_a_bucket_that_is_not_there_is_told_as_such_and_not_made(s3: S3Server) -> None:
    files = open_files("s3://no-such-bucket/x", s3.options, part_size=5 << 20)
    with pytest.raises(NotFoundError, match="bucket does not exist"):
        keep(BackupStore(files).new("h", "w", "b"), data=tar_of())


def test_a_place_in_another_bucket_is_not_asked_for_with_these_keys(store: BackupStore) -> None:
    with pytest.raises(PermanentError, match="not in the store that this block opens"):
        Backup.read(store.at("s3://elsewhere/host/web/b"))


def test_a_server_that_goes_away_in_the_middle_is_a_fault_that_passes(room: Room) -> None:
    server = S3Server(room)
    impatient = {**server.options, "config_kwargs": {"retries": {"total_max_attempts": 1}}}
    files = open_files(f"{server.bucket}/x", impatient, part_size=5 << 20)

    def cut_off() -> Iterator[bytes]:
        yield from noise(6)
        server.close()
        yield from noise(6)

    with pytest.raises(UnreachableError, match="does not answer"):
        keep(BackupStore(files).new("h", "w", "b"), data=cut_off)


def test_a_volume_is_held_in_memory_by_parts_only(location: Location) -> None:
    keep(location, data=lambda: noise(12))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    backup = keep(location, data=lambda: noise(50))
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10
    assert backup.bytes >= 50 * PIECE > 2 * grown


def test_an_encrypted_backup_in_a_bucket_names_nothing_and_comes_back(
    store: BackupStore, s3: S3Server
) -> None:
    seal = Seal(identities=(str(x25519.Identity.generate()),))
    location = replace(store, seal=seal).new("host", "web", "sealed")
    keep(location, (DATA, LOGS), data=tar_of(a=b"hunter2" * 1000), logs=tar_of())
    lying = [(key, s3.read(key)) for key in s3.keys(prefix_of(location))]
    assert len(lying) == 4
    for key, content in lying:
        assert not [word for word in (b"hunter2", b"app:1", b"/data") if word in content], key
        assert "data" not in key
    assert put_back(Backup.read(location))["data"] == tar_of(a=b"hunter2" * 1000)


def test_a_bucket_that_is_tried_out_before_a_workload_is_stopped_holds_nothing_of_it_afterwards(
    location: Location, s3: S3Server
) -> None:
    prove_store(location)
    assert s3.keys(prefix_of(location)) == s3.uploads() == []
