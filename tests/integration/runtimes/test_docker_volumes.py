"""What a mount holds comes out as a tar, and after writing it back the mount holds exactly that again."""

import io
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.lab.docker import DockerEngine
from tests.lab.images import build_image, load_image
from tests.lab.replacing import open_runtime, run_docker
from uptainer.core.errors import RefusedError
from uptainer.core.workloads import Mount
from uptainer.runtimes.port import Runtime

IMAGE = "lab/data:1"
FILL = """
mkdir -p /data/deep/er /data/empty; echo one > /data/one; echo two > /data/deep/er/two
chown 12:34 /data/one; chmod 4750 /data/one; chmod 1770 /data; chown 5:6 /data
ln -s one /data/link; ln -s ../../../../etc/passwd /data/outside; ln -s /etc/hosts /data/absolute
ln /data/one /data/deep/hard; mkfifo /data/pipe; touch -t 200102030405 /data/old; echo x > /data/.wh.looks-odd
"""
SPOIL = "echo more >> /data/one; mkdir -p /data/new/a/b; echo x > /data/new/a/b/c; rm -r /data/deep; chown 0:0 /data"


@pytest.fixture(scope="module")
def runtime(docker_engine: DockerEngine) -> Iterator[Runtime]:
    load_image(docker_engine, IMAGE, build_image(config={"Volumes": {"/other": {}}}))
    with open_runtime(docker_engine) as opened:
        yield opened


@pytest.fixture
def web(clean_engine: DockerEngine, runtime: Runtime, tmp_path: Path) -> str:
    (tmp_path / "bound").mkdir()
    (tmp_path / "settings").write_text("before")
    (tmp_path / "link").symlink_to(tmp_path / "bound")
    mounts = (
        *("--volume", "data:/data", "--volume", f"{tmp_path}/bound:/bound", "--tmpfs", "/scratch"),
        *("--volume", f"{tmp_path}/settings:/etc/settings", "--volume", f"{tmp_path}/link:/linked"),
        *("--mount", "type=volume,source=tuned,target=/tuned,volume-opt=type=tmpfs,volume-opt=device=tmpfs"),
    )
    run_docker(clean_engine, "run", "--detach", "--name", "web", *mounts, IMAGE)
    return "web"


def mount_of(runtime: Runtime, destination: str) -> Mount:
    facts = next(each for each in runtime.containers() if each.key == "web")
    return next(each for each in facts.mounts if each.destination == destination)


def shell(engine: DockerEngine, script: str) -> str:
    return run_docker(engine, "exec", "web", "sh", "-c", script)


def read(runtime: Runtime, mount: Mount) -> bytes:
    with runtime.read_mount("web", mount) as pieces:
        return b"".join(pieces)


def listing(tar: bytes) -> dict[str, tuple[object, ...]]:
    """What the order of hard links, of which the first is the file, leaves out."""
    with tarfile.open(fileobj=io.BytesIO(tar)) as opened:
        return {
            each.name: (each.mode, each.uid, each.gid, int(each.mtime), each.issym() and each.linkname)
            for each in opened
        }


def helpers(engine: DockerEngine) -> list[str]:
    listed = run_docker(engine, "ps", "--all", "--format", "{{.Names}}").split()
    return [name for name in listed if name.startswith("uptainer-")]


def test_a_volume_written_back_is_exactly_as_it_was_read(
    clean_engine: DockerEngine, runtime: Runtime, web: str
) -> None:
    shell(clean_engine, FILL)
    mount = mount_of(runtime, "/data")
    kept = read(runtime, mount)
    shell(clean_engine, SPOIL)
    runtime.stop("web")
    runtime.write_mount("web", mount, iter([kept[:1000], kept[1000:]]))
    assert listing(read(runtime, mount)) == listing(kept)
    runtime.start("web")
    found = shell(
        clean_engine,
        "cat /data/one /data/deep/er/two; ls -A /data/new 2>&1; stat -c '%a %u:%g %h' /data /data/one",
    )
    assert found.split() == [
        "one",
        "two",
        "ls:",
        "/data/new:",
        "No",
        "such",
        "file",
        "or",
        "directory",
        "1770",
        "5:6",
        "4",
        "4750",
        "12:34",
        "2",
    ]
    assert helpers(clean_engine) == []


def test_the_names_in_the_tar_start_at_the_mount(
    clean_engine: DockerEngine, runtime: Runtime, web: str
) -> None:
    shell(clean_engine, "mkdir /data/a; echo x > /data/a/b")
    assert set(listing(read(runtime, mount_of(runtime, "/data")))) == {".", "./a", "./a/b"}


def test_an_empty_volume_is_written_back_empty(
    clean_engine: DockerEngine, runtime: Runtime, web: str
) -> None:
    mount = mount_of(runtime, "/data")
    kept = read(runtime, mount)
    shell(clean_engine, FILL)
    runtime.stop("web")
    runtime.write_mount("web", mount, iter([kept]))
    assert set(listing(read(runtime, mount))) == {"."}


def test_a_bound_folder_is_written_back(
    clean_engine: DockerEngine, runtime: Runtime, web: str, tmp_path: Path
) -> None:
    (tmp_path / "bound" / "kept").write_text("kept")
    mount = mount_of(runtime, "/bound")
    kept = read(runtime, mount)
    (tmp_path / "bound" / "kept").write_text("spoilt")
    (tmp_path / "bound" / "extra").write_text("extra")
    runtime.stop("web")
    runtime.write_mount("web", mount, iter([kept]))
    assert {each.name: each.read_text() for each in (tmp_path / "bound").iterdir()} == {"kept": "kept"}
    assert (tmp_path / "settings").read_text() == "before"


def test_a_bound_file_is_written_back(
    clean_engine: DockerEngine, runtime: Runtime, web: str, tmp_path: Path
) -> None:
    mount = mount_of(runtime, "/etc/settings")
    kept = read(runtime, mount)
    (tmp_path / "settings").write_text("after")
    runtime.stop("web")
    runtime.write_mount("web", mount, iter([kept]))
    runtime.start("web")
    assert (tmp_path / "settings").read_text() == "before"
    assert shell(clean_engine, "cat /etc/settings") == "before"


def test_writing_that_broke_off_is_repaired_by_writing_again(
    clean_engine: DockerEngine, runtime: Runtime, web: str
) -> None:
    shell(clean_engine, FILL + "head -c 3000000 /dev/urandom > /data/big")
    mount = mount_of(runtime, "/data")
    kept = read(runtime, mount)
    runtime.stop("web")

    def broken() -> Iterator[bytes]:
        yield kept[:1_500_000]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        runtime.write_mount("web", mount, broken())
    assert listing(read(runtime, mount)) != listing(kept)
    runtime.write_mount("web", mount, iter([kept]))
    assert listing(read(runtime, mount)) == listing(kept)
    assert helpers(clean_engine) == []


def test_a_large_content_streams_through(clean_engine: DockerEngine, runtime: Runtime, web: str) -> None:
    shell(clean_engine, "head -c 60000000 /dev/zero > /data/big; echo end > /data/last")
    mount = mount_of(runtime, "/data")
    runtime.stop("web")
    with runtime.read_mount("web", mount) as pieces:
        kept = list(pieces)
    assert max(map(len, kept)) < 2_000_000
    runtime.write_mount("web", mount, iter(kept))
    runtime.start("web")
    assert shell(clean_engine, "stat -c %s /data/big; cat /data/last").split() == ["60000000", "end"]


def test_a_helper_that_a_killed_process_left_is_in_nobodys_way(
    clean_engine: DockerEngine, runtime: Runtime, web: str
) -> None:
    for owner in (runtime.state("web").runtime_id[:12], "0" * 12):
        run_docker(clean_engine, "create", "--name", f"uptainer-helper-web-{owner}", IMAGE)
    assert [each.key for each in runtime.containers()] == ["web"]
    read(runtime, mount_of(runtime, "/data"))
    assert helpers(clean_engine) == []


def test_helpers_leave_no_volumes_behind(clean_engine: DockerEngine, runtime: Runtime, web: str) -> None:
    before = run_docker(clean_engine, "volume", "ls", "--quiet")
    read(runtime, mount_of(runtime, "/data"))
    assert run_docker(clean_engine, "volume", "ls", "--quiet") == before


@pytest.mark.parametrize(
    ("destination", "reason"),
    [
        ("/tuned", "mount options"),
        ("/scratch", "keeps no data"),
    ],
)
def test_what_could_not_be_restored_is_not_read_either(
    runtime: Runtime, web: str, destination: str, reason: str
) -> None:
    mount = Mount("tmpfs", "", "", destination, read_only=False)
    if destination == "/tuned":
        mount = mount_of(runtime, destination)
    with pytest.raises(RefusedError, match=reason):
        runtime.check_mount("web", mount)
    with pytest.raises(RefusedError, match=reason), runtime.read_mount("web", mount):
        pass


def test_a_symbolic_link_is_not_replaced(runtime: Runtime, web: str, tmp_path: Path) -> None:
    linked = replace(mount_of(runtime, "/linked"), source=str(tmp_path / "link"))
    with pytest.raises(RefusedError, match="symbolic link"):
        runtime.check_mount("web", linked)


@pytest.mark.parametrize("folder", ["/", "/etc", "/var/lib/docker"])
def test_folders_of_the_system_are_no_data(runtime: Runtime, web: str, folder: str) -> None:
    with pytest.raises(RefusedError, match="system"):
        runtime.check_mount("web", Mount("bind", "", folder, "/host", read_only=True))


def test_a_volume_that_another_running_container_has_is_not_restored(
    clean_engine: DockerEngine, runtime: Runtime, web: str
) -> None:
    run_docker(clean_engine, "run", "--detach", "--name", "neighbour", "--volume", "data:/elsewhere", IMAGE)
    mount = mount_of(runtime, "/data")
    kept = read(runtime, mount)
    runtime.stop("web")
    with pytest.raises(RefusedError, match="neighbour"):
        runtime.check_mount("web", mount)
    with pytest.raises(RefusedError, match="neighbour"):
        runtime.write_mount("web", mount, iter([kept]))


def test_who_watches_the_whole_machine_is_not_in_the_way(
    clean_engine: DockerEngine, runtime: Runtime, web: str
) -> None:
    volumes = f"{clean_engine.directory}/data/volumes"
    run_docker(clean_engine, "run", "--detach", "--name", "monitor", "--volume", f"{volumes}:/all:ro", IMAGE)
    shell(clean_engine, "echo kept > /data/file")
    mount = mount_of(runtime, "/data")
    runtime.check_mount("web", mount)
    kept = read(runtime, mount)
    runtime.stop("web")
    runtime.write_mount("web", mount, iter([kept]))
    seen = ("exec", "monitor", "cat", "/all/data/_data/file")
    assert run_docker(clean_engine, *seen) == "kept"
