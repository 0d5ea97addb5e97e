"""A container made beside the one that its configuration is of, on real engines."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.lab.docker import DockerEngine
from tests.lab.images import build_image, docker_archive
from tests.lab.podman import PodmanEngine
from tests.lab.replacing import make_network, make_podman_network, run_docker
from uptainer.core.enums import ConnectionType, RuntimeType
from uptainer.core.errors import NotFoundError, RefusedError
from uptainer.core.workloads import HostAddress
from uptainer.runtimes.connections import connect
from uptainer.runtimes.copies import Copies, Copy
from uptainer.runtimes.port import Runtime

IMAGE = "localhost/copies/web:1"
COPY = Copy("twin", {"data": "twin-data"}, "twin 1")


@dataclass(frozen=True, slots=True)
class Ground:
    """`web` runs with a published port, a static address, an alias, a volume and labels of compose."""

    runtime: Runtime
    client: Any
    network: str

    @property
    def copies(self) -> Copies:
        assert isinstance(self.runtime, Copies)
        return self.runtime

    def inspect(self, name: str) -> Any:
        return self.client.containers.get(name).attrs


@pytest.fixture
def docker(clean_engine: DockerEngine) -> Iterator[Ground]:
    client = clean_engine.client
    client.images.load(docker_archive(IMAGE, build_image()))
    front = make_network(clean_engine, "front")
    asked = ("--network", "front", "--network-alias", "shop", "--ip", f"{front}.77", "--volume", "data:/data")
    labels = ("--label", "com.docker.compose.service=web", "--label", "mine=yes")
    run_docker(
        clean_engine, "run", "--detach", "--name", "web", "--publish", "127.0.0.1::80", *asked, *labels, IMAGE
    )
    with connect(HostAddress("lab", RuntimeType.DOCKER, ConnectionType.UNIX, clean_engine.url)) as runtime:
        yield Ground(runtime, client, "front")


@pytest.fixture
def podman(podman_engine: PodmanEngine) -> Iterator[Ground]:
    podman_engine.clear()
    podman_engine.client.images.load(docker_archive(IMAGE, build_image()))
    make_podman_network(podman_engine, "front")
    asked = ("--network", "front:alias=shop", "--volume", "data:/data", "--publish", "127.0.0.1::80")
    labels = ("--label", "com.docker.compose.service=web", "--label", "mine=yes")
    podman_engine.podman("run", "--detach", "--name", "web", *asked, *labels, IMAGE)
    with connect(HostAddress("lab", RuntimeType.PODMAN, ConnectionType.UNIX, podman_engine.url)) as runtime:
        yield Ground(runtime, podman_engine.client, "front")
    podman_engine.clear()


@pytest.mark.parametrize("name", ["docker", "podman"])
def test_a_copy_has_its_own_volumes_and_takes_nothing_away(request: pytest.FixtureRequest, name: str) -> None:
    ground: Ground = request.getfixturevalue(name)
    before = ground.inspect("web")
    saved = ground.runtime.configuration("web")
    assert ground.copies.free_bytes() > 0
    ground.copies.copy(saved, COPY)
    ground.runtime.start("twin")
    twin = ground.inspect("twin")
    assert [each["Name"] for each in twin["Mounts"]] == ["twin-data"]
    assert not twin["HostConfig"]["PortBindings"]
    assert list(twin["NetworkSettings"]["Networks"]) == ["front"]
    assert "shop" not in (twin["NetworkSettings"]["Networks"]["front"]["Aliases"] or ())
    assert twin["Config"]["Labels"].get("mine") == "yes"
    assert "com.docker.compose.service" not in twin["Config"]["Labels"]
    assert ground.inspect("web")["State"]["StartedAt"] == before["State"]["StartedAt"]
    with pytest.raises(RefusedError, match="twin already"):
        ground.copies.copy(saved, COPY)
    with pytest.raises(RefusedError, match=r"there are volumes already .* \(twin-data\)"):
        ground.copies.copy(saved, replace(COPY, name="other"))
    ground.copies.discard("twin 2")
    assert ground.runtime.state("twin")
    ground.copies.discard("twin 1")
    ground.copies.discard("twin 1")
    with pytest.raises(NotFoundError):
        ground.runtime.state("twin")
    assert {each.name for each in ground.client.volumes.list()} == {"data"}


@pytest.mark.parametrize("name", ["docker", "podman"])
def test_a_copy_that_tries_a_backup_has_no_network_and_is_no_workload(
    request: pytest.FixtureRequest, name: str
) -> None:
    ground: Ground = request.getfixturevalue(name)
    name = "uptainer-test-web-00000000000c"
    trial = Copy(name, {"data": "uptainer-test-12-1"}, name, isolated=True)
    ground.copies.copy(ground.runtime.configuration("web"), trial)
    ground.runtime.start(trial.name)
    networks = ground.inspect(trial.name)["NetworkSettings"]["Networks"] or {}
    assert set(networks) <= {"none"}
    assert [each.key for each in ground.runtime.containers()] == ["web"]
    assert ground.copies.trial_copies() == [trial.mark]
    ground.copies.discard(trial.mark)
    assert ground.copies.trial_copies() == []
    assert {each.name for each in ground.client.volumes.list()} == {"data"}
