"""Backups of real volumes: kept, damaged, restored, refused by a full disk."""

import io
import os
import subprocess
import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from docker.models.containers import Container
from pyrage import x25519

from tests.lab.docker import DockerEngine
from tests.lab.environment import lab_part
from tests.lab.images import make_image
from tests.lab.registry import Registry
from tests.lab.room import LabUnavailableError, Room
from tests.lab.s3 import S3Server
from uptainer.backups.backup import Backup, back_up, verify
from uptainer.backups.local import local_stores
from uptainer.backups.opening import open_files
from uptainer.backups.restore import restore, restore_on_request
from uptainer.backups.sealing import Seal
from uptainer.backups.store import BackupStore, Location
from uptainer.core.enums import ConnectionType, ContainerStatus, RuntimeType
from uptainer.core.errors import PermanentError
from uptainer.core.workloads import HostAddress, Mount
from uptainer.runtimes.docker.runtime import DockerRuntime

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
FILL = (
    "cd /data && mkdir -p deep/er && echo one > one && echo two > deep/er/two && ln -s one link && ln one hard "
    "&& chmod 600 one && chown 12:34 deep && mkfifo pipe && touch -d '2020-01-02 03:04:05' deep/er/two"
)


@pytest.fixture
def runtime(clean_engine: DockerEngine) -> Iterator[DockerRuntime]:
    with DockerRuntime(HostAddress("h", RuntimeType.DOCKER, ConnectionType.UNIX, clean_engine.url)) as opened:
        yield opened


@pytest.fixture
def web(clean_engine: DockerEngine, registry: Registry, runtime: DockerRuntime) -> Container:
    reference = registry.reference("backups:1")
    make_image(clean_engine, reference)
    container: Container = clean_engine.client.containers.run(
        reference, detach=True, name="web", volumes=["data:/data"]
    )
    execute(container, FILL)
    return container


def execute(container: Container, command: str) -> str:
    code, output = container.exec_run(["/bin/sh", "-c", command])
    assert code == 0, output
    assert isinstance(output, bytes)
    return output.decode()


def data_mount(runtime: DockerRuntime) -> Mount:
    return next(mount for each in runtime.containers() for mount in each.mounts)


def at(directory: Path) -> Location:
    return local_stores(directory.parent)("").at(str(directory))


def keep(runtime: DockerRuntime, directory: Path) -> Backup:
    return back_up(runtime, "web", [data_mount(runtime)], at(directory), image_reference="backups:1", now=NOW)


def listing(container: Container) -> list[tuple[str, bytes, int, int, int, int, str, bytes]]:
    """All that a restore must bring back."""
    chunks, _ = container.get_archive("/data")
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as tar:
        found = []
        for member in tar.getmembers():
            content = tar.extractfile(member) if member.isreg() else None
            found.append(
                (
                    member.name,
                    member.type,
                    member.mode,
                    member.uid,
                    member.gid,
                    int(member.mtime) if member.isreg() else 0,
                    member.linkname,
                    content.read() if content else b"",
                )
            )
        return sorted(found)


def test_a_restore_makes_a_volume_exactly_what_it_was(
    web: Container, runtime: DockerRuntime, tmp_path: Path
) -> None:
    before = listing(web)
    backup = keep(runtime, tmp_path / "b")
    execute(
        web, "cd /data && rm -r deep && echo other > one && echo new > new && mkdir one2 && chmod 777 one"
    )
    web.stop(timeout=0)
    restore(backup, runtime, "web")
    assert listing(web) == before


def test_an_encrypted_backup_in_a_bucket_brings_a_volume_back_exactly(
    web: Container, runtime: DockerRuntime, s3: S3Server
) -> None:
    before = listing(web)
    seal = Seal(identities=(str(x25519.Identity.generate()),))
    files = open_files(f"{s3.bucket}/on-docker", s3.options, part_size=5 << 20)
    location = BackupStore(files, "offsite", seal).new("h", "web", "b")
    back_up(runtime, "web", [data_mount(runtime)], location, image_reference="backups:1", now=NOW)
    execute(web, "cd /data && rm -r deep && echo other > one && echo new > new && chmod 777 one")
    web.stop(timeout=0)
    restore(Backup.read(location), runtime, "web")
    assert listing(web) == before


def test_a_restore_twice_is_a_restore_once(web: Container, runtime: DockerRuntime, tmp_path: Path) -> None:
    before = listing(web)
    backup = keep(runtime, tmp_path / "b")
    web.stop(timeout=0)
    restore(backup, runtime, "web")
    restore(backup, runtime, "web")
    assert listing(web) == before


def test_a_restore_on_request_keeps_what_was_there_and_starts_it_again(
    web: Container, runtime: DockerRuntime, tmp_path: Path
) -> None:
    before = listing(web)
    backup = keep(runtime, tmp_path / "b")
    execute(web, "echo later > /data/later")
    kept = restore_on_request(backup, runtime, "web", safety=at(tmp_path / "safety"), now=NOW)
    assert listing(web) == before
    assert runtime.state("web").status is ContainerStatus.RUNNING
    restore_on_request(kept, runtime, "web", safety=at(tmp_path / "again"), now=NOW)
    assert execute(web, "cat /data/later") == "later\n"


def test_a_damaged_backup_is_not_restored_and_changes_nothing(
    web: Container, runtime: DockerRuntime, tmp_path: Path
) -> None:
    backup = keep(runtime, tmp_path / "b")
    path = tmp_path / "b" / backup.archives[0].file
    path.write_bytes(path.read_bytes()[:-1])
    before = listing(web)
    with pytest.raises(PermanentError, match="not what was written"):
        restore_on_request(backup, runtime, "web", safety=at(tmp_path / "safety"), now=NOW)
    assert listing(web) == before
    assert runtime.state("web").status is ContainerStatus.RUNNING


@pytest.fixture
def small_disk(room: Room) -> Iterator[Path]:
    directory = room.directory("disk")
    mounted = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(directory)]
    with lab_part():
        if os.geteuid() != 0:
            raise LabUnavailableError("a small disk needs root")
        if subprocess.run(mounted, check=False, capture_output=True, timeout=10).returncode:
            raise LabUnavailableError("this machine mounts no tmpfs")
    yield directory
    subprocess.run(["umount", str(directory)], check=True, timeout=10)


def test_a_full_disk_is_said_plainly_and_nothing_is_left_on_it_and_nothing_restored(
    web: Container, runtime: DockerRuntime, small_disk: Path, tmp_path: Path
) -> None:
    backup = keep(runtime, tmp_path / "b")
    execute(web, "head -c 2000000 /dev/urandom > /data/big")
    with pytest.raises(PermanentError, match=r"the disk is full\. Free some space"):
        keep(runtime, small_disk / "b")
    with pytest.raises(PermanentError, match=r"the disk is full\. Free some space"):
        restore_on_request(backup, runtime, "web", safety=at(small_disk / "safety"), now=NOW)
    assert not list(small_disk.iterdir())
    assert execute(web, "stat -c %s /data/big") == "2000000\n"


def test_a_backup_of_a_running_workload_leaves_it_running_and_is_whole(
    web: Container, runtime: DockerRuntime, tmp_path: Path
) -> None:
    backup = keep(runtime, tmp_path / "b")
    verify(backup)
    assert runtime.state("web").status is ContainerStatus.RUNNING
    assert [each.name for each in web.client.containers.list(all=True)] == ["web"]  # type: ignore[union-attr]  # -- it has one
