"""What lives with a container: for an update all of it goes down; for a backup it is in the way of stopping that one alone."""

from collections.abc import Iterator

import pytest

from tests.lab.images import make_image
from tests.lab.podman import PodmanEngine
from tests.lab.registry import Registry
from uptainer.core.enums import ConnectionType, RuntimeType
from uptainer.core.errors import RefusedError
from uptainer.core.workloads import HostAddress
from uptainer.runtimes.connections import connect
from uptainer.runtimes.port import Runtime


@pytest.fixture
def runtime(podman_engine: PodmanEngine, registry: Registry) -> Iterator[Runtime]:
    """`web` and `db` of one pod have one volume; `alone` is in no pod, and `client` in its network."""
    podman_engine.clear()
    image = registry.reference("podbeside/app:1.0.0")
    make_image(podman_engine, image)
    podman_engine.podman("pod", "create", "--name", "shop")
    for name in ("web", "db"):
        run = ("run", "--detach", "--pod", "shop", "--name", name, "--volume", "kept:/kept")
        podman_engine.podman(*run, image)
    podman_engine.podman("run", "--detach", "--name", "alone", image)
    podman_engine.podman("run", "--detach", "--name", "client", "--network", "container:alone", image)
    address = HostAddress("lab", RuntimeType.PODMAN, ConnectionType.UNIX, podman_engine.url)
    with connect(address) as opened:
        yield opened
    podman_engine.clear()


def test_what_lives_with_one_is_in_the_way_of_stopping_that_one_alone(runtime: Runtime) -> None:
    mount = next(each for each in runtime.containers() if each.key == "web").mounts[0]
    runtime.check_mount("web", mount, alone=False)
    with pytest.raises(RefusedError, match="/kept of web is in use by db, which runs"):
        runtime.check_mount("web", mount)
    runtime.check_stop("web")
    with pytest.raises(RefusedError, match=r"would be cut off .*: client \(its network\)"):
        runtime.check_stop("alone")
    runtime.check_pause("alone")
