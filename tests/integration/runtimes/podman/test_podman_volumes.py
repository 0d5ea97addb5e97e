"""The data of mounts on Podman, out as a tar and back exactly: as root and as a user, and without a shell in any image."""

import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lab.images import Image, build_image, digest_of, docker_archive, tar_of
from tests.lab.podman import PodmanEngine
from uptainer.core.enums import ConnectionType, RuntimeType
from uptainer.core.errors import RefusedError
from uptainer.core.workloads import HostAddress, Mount
from uptainer.runtimes.connections import connect
from uptainer.runtimes.port import Runtime

BUSY, BARE = "localhost/podvol/busy:1", "localhost/podvol/bare:1"
FILL = "mkdir -p /data/d && echo one > /data/d/f && ln -s d/f /data/l && touch /data/x && chmod 640 /data/x"


@dataclass(frozen=True, slots=True)
class Ground:
    engine: PodmanEngine
    runtime: Runtime

    def mount(self, destination: str = "/data") -> Mount:
        facts = next(each for each in self.runtime.containers() if each.key == "web")
        return next(each for each in facts.mounts if each.destination == destination)

    def read(self, destination: str = "/data") -> bytes:
        with self.runtime.read_mount("web", self.mount(destination)) as tar:
            return b"".join(tar)

    def shell(self, script: str) -> str:
        """In a container of its own that has the volume."""
        return self.engine.podman("run", "--rm", "--volume", "data:/data", BUSY, "/bin/sh", "-c", script)


@pytest.fixture(params=["podman_engine", "rootless_podman_engine"])
def ground(request: pytest.FixtureRequest) -> Iterator[Ground]:
    """A stopped container of an image with nothing in it, on a filled volume."""
    engine: PodmanEngine = request.getfixturevalue(request.param)
    engine.clear()
    bare = Image((tar_of({"nothing": b""}),), {"Cmd": ["/nothing"], "Volumes": {"/declared": {}}})
    for name, image in ((BUSY, build_image()), (BARE, bare)):
        engine.client.images.load(docker_archive(name, image))
    address = HostAddress("lab", RuntimeType.PODMAN, ConnectionType.UNIX, engine.url)
    with connect(address) as runtime:
        made = Ground(engine, runtime)
        made.shell(FILL)
        engine.podman("create", "--name", "web", "--volume", "data:/data", BARE)
        yield made
    engine.clear()


def test_data_goes_out_and_comes_back_exactly(ground: Ground) -> None:
    ground.runtime.check_mount("web", ground.mount())
    before = ground.read()
    assert {"d/f", "l", "x"} <= set(_content(before))
    ground.shell(
        "echo two > /data/d/f; rm /data/l; echo new > /data/new; mkdir /data/d/more; chmod 777 /data/x"
    )
    ground.runtime.write_mount("web", ground.mount(), iter([before]))
    ground.runtime.write_mount("web", ground.mount(), iter([before]))
    assert _content(ground.read()) == _content(before)
    assert ground.shell("cat /data/l; ls /data").split() == ["one", "d", "l", "x"]
    assert ground.engine.podman("ps", "--all", "--format", "{{.Names}}") == "web"


def _content(tar: bytes) -> dict[str, tuple[object, ...]]:
    found: dict[str, tuple[object, ...]] = {}
    with tarfile.open(fileobj=io.BytesIO(tar)) as read:
        for each in read:
            content = read.extractfile(each)
            digest = digest_of(content.read()) if content else ""
            found[each.name.strip("./")] = (each.type, each.mode & 0o7777, each.uid, each.linkname, digest)
    return found


def test_data_is_not_replaced_under_a_running_container(ground: Ground) -> None:
    before = ground.read()
    ground.engine.podman(
        "run", "--detach", "--name", "other", "--volume", "data:/elsewhere", BUSY, "/bin/sleep", "100"
    )
    with pytest.raises(RefusedError, match="in use by other"):
        ground.runtime.check_mount("web", ground.mount())
    with pytest.raises(RefusedError, match="in use by other"):
        ground.runtime.write_mount("web", ground.mount(), iter([before]))


def test_a_bound_folder_is_read_and_restored_too(podman_engine: PodmanEngine, tmp_path: Path) -> None:
    podman_engine.clear()
    podman_engine.client.images.load(docker_archive(BUSY, build_image()))
    folder = tmp_path / "bound"
    folder.mkdir()
    (folder / "kept").write_text("kept")
    podman_engine.podman("create", "--name", "web", "--volume", f"{folder}:/data", BUSY)
    address = HostAddress("lab", RuntimeType.PODMAN, ConnectionType.UNIX, podman_engine.url)
    with connect(address) as runtime:
        ground = Ground(podman_engine, runtime)
        before = ground.read()
        (folder / "kept").unlink()
        (folder / "new").write_text("new")
        runtime.write_mount("web", ground.mount(), iter([before]))
    assert {path.name: path.read_text() for path in folder.iterdir()} == {"kept": "kept"}
    podman_engine.clear()
