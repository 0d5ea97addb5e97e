"""A container on a private Docker engine."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from docker.errors import NotFound
from docker.models.containers import Container

from tests.lab.docker import DockerEngine
from tests.lab.registry import Registry
from tests.lab.stands.releases import Behaviour, Release, push_release
from tests.lab.stands.stand import Copy, Traits
from uptainer.core.enums import ConnectionType, RuntimeType
from uptainer.core.secrets import HostSecret
from uptainer.core.workloads import HostAddress

_UNLESS_STOPPED: Any = {"Name": "unless-stopped"}


class DockerStand:
    """It restarts unless stopped, and has a named and an anonymous volume."""

    name = "docker"
    kind = "container"
    traits = Traits()
    secret: HostSecret | None = None

    def __init__(self, engine: DockerEngine, registry: Registry) -> None:
        self.engine = engine
        self._registry = registry
        self._volumes: dict[str, set[str]] = {}
        self.address = HostAddress(self.name, RuntimeType.DOCKER, ConnectionType.UNIX, engine.url)
        self.nowhere = HostAddress("nowhere", RuntimeType.DOCKER, ConnectionType.UNIX, f"{engine.url}.not")

    def push(self, behaviour: Behaviour) -> Release:
        return push_release(self._registry, "stands/docker", behaviour)

    def deploy(self, name: str, release: Release) -> str:
        container: Container = self.engine.client.containers.run(
            release.reference,
            detach=True,
            name=name,
            restart_policy=_UNLESS_STOPPED,
            volumes=[f"data-of-{name}:/data", "/scratch"],
        )
        self._volumes[name] = _volumes_of(container)
        return name

    def replace_by_hand(self, key: str, release: Release) -> None:
        """With its anonymous volume; an update has carried it over by its name, so it does not go with its container."""
        self.engine.client.containers.get(key).remove(force=True)
        for volume in self._volumes[key] - {f"data-of-{key}"}:
            self.engine.client.volumes.get(volume).remove()
        self.deploy(key, release)

    def running(self, key: str) -> tuple[Copy, ...]:
        return tuple(
            Copy(str(each.id), self._digests(each))
            for each in self._all()
            if each.name == key and each.attrs["State"]["Status"] == "running"
        )

    def leftovers(self, key: str) -> tuple[str, ...]:
        """Other containers with its volumes, or named after it; and volumes that were not there when it was deployed."""
        mine = self._volumes[key]
        others = [
            str(each.name)
            for each in self._all()
            if each.name != key and (_volumes_of(each) & mine or key in str(each.name))
        ]
        known = set[str]().union(*self._volumes.values())
        strange = {str(each.name) for each in self.engine.client.volumes.list()} - known
        return (*others, *sorted(strange))

    def is_paused(self, key: str) -> bool:
        return bool(self.engine.client.containers.get(key).attrs["State"]["Paused"])

    def has_crashed(self, key: str) -> bool:
        return int(self.engine.client.containers.get(key).attrs["RestartCount"]) > 0

    def data(self, key: str) -> Mapping[str, str]:
        volume = self.engine.client.volumes.get(f"data-of-{key}")
        folder = Path(str(volume.attrs["Mountpoint"]))
        return {path.name: path.read_text() for path in sorted(folder.iterdir())}

    def everything(self) -> Any:
        containers = {each.name: (each.id, each.attrs["HostConfig"], each.status) for each in self._all()}
        images = sorted((each.id, *each.tags) for each in self.engine.client.images.list(all=True))
        volumes = sorted(str(each.name) for each in self.engine.client.volumes.list())
        return containers, images, volumes

    def clear(self) -> None:
        self.engine.clear()
        self._volumes.clear()

    def close(self) -> None:
        self.clear()

    def _all(self) -> list[Container]:
        found: list[Container] = self.engine.client.containers.list(all=True, ignore_removed=True)
        return found

    def _digests(self, container: Container) -> frozenset[str]:
        named: list[str] = []
        with suppress(NotFound):
            named = self.engine.client.images.get(container.attrs["Image"]).attrs["RepoDigests"]
        return frozenset(each.rpartition("@")[2] for each in named)


def _volumes_of(container: Container) -> set[str]:
    return {each["Name"] for each in container.attrs["Mounts"] if each["Type"] == "volume"}
