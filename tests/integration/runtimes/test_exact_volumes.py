"""What a volume holds comes back exactly, to the last attribute, on every engine; where it can't, that is said before."""

import os
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.runtimes.trees import access_list, fill, snapshot, spoil
from tests.lab.docker import DockerEngine
from tests.lab.images import build_image, docker_archive
from tests.lab.podman import FIRST_SUBORDINATE, PodmanEngine
from uptainer.core.enums import ConnectionType, RuntimeType
from uptainer.core.errors import RefusedError, TemporaryError, UnsupportedError
from uptainer.core.workloads import HostAddress, Mount
from uptainer.runtimes.connections import connect
from uptainer.runtimes.engine.client import Engine
from uptainer.runtimes.engine.commands import Ran, ended
from uptainer.runtimes.port import Runtime

IMAGE = "localhost/exact/data:1"


@dataclass(frozen=True, slots=True)
class Ground:
    """A stopped container and its volume, which is seen from here as `folder`; its root is `owner` here."""

    runtime: Runtime
    folder: Path
    owner: int = 0

    @property
    def mount(self) -> Mount:
        return next(mount for each in self.runtime.containers() for mount in each.mounts)

    def read(self) -> bytes:
        with self.runtime.read_mount("web", self.mount) as tar:
            return b"".join(tar)

    def write(self, tar: bytes) -> None:
        self.runtime.write_mount("web", self.mount, iter([tar[:1000], tar[1000:]]))


@pytest.fixture
def docker(clean_engine: DockerEngine) -> Iterator[Ground]:
    clean_engine.client.images.load(docker_archive(IMAGE, build_image()))
    clean_engine.client.containers.create(IMAGE, name="web", volumes=["data:/data"])
    folder = Path(clean_engine.client.volumes.get("data").attrs["Mountpoint"])
    with connect(HostAddress("lab", RuntimeType.DOCKER, ConnectionType.UNIX, clean_engine.url)) as runtime:
        yield Ground(runtime, folder)


@pytest.fixture
def podman(podman_engine: PodmanEngine) -> Iterator[Ground]:
    yield from _on_podman(podman_engine, 0)


@pytest.fixture
def rootless_podman(rootless_podman_engine: PodmanEngine) -> Iterator[Ground]:
    number = rootless_podman_engine.uid % 1000
    yield from _on_podman(rootless_podman_engine, FIRST_SUBORDINATE + number * 65_536 - 1)


def _on_podman(engine: PodmanEngine, owner: int) -> Iterator[Ground]:
    engine.clear()
    engine.client.images.load(docker_archive(IMAGE, build_image()))
    engine.podman("create", "--name", "web", "--volume", "data:/data", IMAGE)
    folder = Path(engine.podman("volume", "inspect", "--format", "{{.Mountpoint}}", "data"))
    with connect(HostAddress("lab", RuntimeType.PODMAN, ConnectionType.UNIX, engine.url)) as runtime:
        yield Ground(runtime, folder, owner)
    engine.clear()


@pytest.mark.parametrize("name", ["docker", "podman", "rootless_podman"])
def test_a_volume_comes_back_exactly(request: pytest.FixtureRequest, name: str) -> None:
    ground: Ground = request.getfixturevalue(name)
    fill(ground.folder, ground.owner)
    before = snapshot(ground.folder)
    assert ground.runtime.left_out("web", ground.mount) == ""
    kept = ground.read()
    spoil(ground.folder)
    ground.write(kept)
    assert snapshot(ground.folder) == before
    ground.write(kept)
    assert snapshot(ground.folder) == before


def test_a_user_alone_gets_the_data_of_their_own_podman_back(
    rootless_podman: Ground, rootless_podman_engine: PodmanEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All but what only root of the machine may set: `trusted` attributes and devices."""
    ground, engine = rootless_podman, rootless_podman_engine

    def words(_: Engine, command: Sequence[str]) -> list[str]:
        return engine.as_its_user(*command)

    def run(_: Engine, command: Sequence[str], *, timeout: float | None = None) -> Ran:
        return ended(words(_, command), host="lab", timeout=timeout or 30, called=command[0])

    fill(ground.folder, ground.owner, engine.uid)
    os.removexattr(ground.folder / "one", "trusted.note")
    os.removexattr(ground.folder / "capable", "security.capability")
    (ground.folder / "null").unlink()
    os.utime(ground.folder, ns=(0, 981_173_106_123_456_789))
    before = snapshot(ground.folder)
    monkeypatch.setattr(Engine, "words", words)
    monkeypatch.setattr(Engine, "run", run)
    kept = ground.read()
    spoil(ground.folder, engine.uid)
    ground.write(kept)
    assert snapshot(ground.folder) == before


@pytest.fixture
def blind(monkeypatch: pytest.MonkeyPatch) -> None:
    """As by TCP: the connection leads to the engine, and not to its machine."""

    def refuse(engine: Engine, command: Sequence[str], *, timeout: float | None = None) -> Ran:
        raise UnsupportedError(f"{engine.address.name}: {command[0]} can't be run there: reach it by SSH")

    monkeypatch.setattr(Engine, "run", refuse)


@pytest.mark.usefixtures("blind")
def test_what_docker_alone_leaves_out_is_said_and_the_rest_comes_back(docker: Ground) -> None:
    fill(docker.folder)
    before = snapshot(docker.folder)
    said = docker.runtime.left_out("web", docker.mount)
    assert "access control lists" in said
    assert "reach it by SSH" in said
    kept = docker.read()
    spoil(docker.folder)
    docker.write(kept)
    assert {path: _coarse(each) for path, each in snapshot(docker.folder).items()} == {
        path: _coarse(each) for path, each in before.items()
    }


def _coarse(entry: tuple[object, ...]) -> tuple[object, ...]:
    """Without what Docker's calls leave out."""
    mode, uid, gid, moment, device, extended, content, _, links = entry
    assert isinstance(moment, int)
    assert isinstance(extended, dict)
    kept = extended.get("security.capability")
    return mode, uid, gid, moment // 10**9, device, kept, content, links


def test_what_tar_read_is_unpacked_by_docker_alone_with_all_but_the_holes(
    docker: Ground, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    fill(docker.folder)
    before = snapshot(docker.folder)
    kept = docker.read()
    spoil(docker.folder)
    request.getfixturevalue("blind")
    docker.write(kept)
    after = snapshot(docker.folder)
    assert before.pop("holes")[6] == after.pop("holes")[6]
    assert after == before


@pytest.mark.usefixtures("blind")
def test_podman_alone_is_not_trusted_with_owners(podman: Ground) -> None:
    for act in (
        lambda: podman.runtime.check_mount("web", podman.mount),
        podman.read,
        lambda: podman.write(b""),
    ):
        with pytest.raises(RefusedError, match="leave out who owns what"):
            act()


def test_what_tar_cannot_write_is_an_error_and_writing_again_repairs_it(docker: Ground) -> None:
    (docker.folder / "file").write_text("x" * 100_000)
    os.setxattr(docker.folder, "system.posix_acl_access", access_list(7))
    kept, before = docker.read(), snapshot(docker.folder)
    with pytest.raises(Exception, match="tar ended with 2"):
        docker.write(kept[:20_000])
    docker.write(kept)
    assert snapshot(docker.folder) == before


@pytest.mark.usefixtures("blind")
def test_a_file_that_shrinks_while_docker_alone_reads_it_is_an_error_and_not_a_short_archive(
    docker: Ground,
) -> None:
    (docker.folder / "a").touch()
    os.truncate(docker.folder / "a", 64 << 20)
    (docker.folder / "b").write_text("b")
    with docker.runtime.read_mount("web", docker.mount) as tar:
        next(tar)
        os.truncate(docker.folder / "a", 0)
        with pytest.raises(TemporaryError, match="changed while it was read, and its archive breaks off"):
            deque(tar, maxlen=0)
