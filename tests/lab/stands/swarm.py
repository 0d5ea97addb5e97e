"""A service of one task on a swarm of one node."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from docker.errors import NotFound

from tests.lab.registry import Registry
from tests.lab.stands.releases import Behaviour, Release, push_release
from tests.lab.stands.stand import Copy, Traits
from tests.lab.swarm import HALF_A_SECOND, SwarmNode
from uptainer.core.enums import ConnectionType, RuntimeType
from uptainer.core.secrets import HostSecret
from uptainer.core.workloads import HostAddress

_PREFIX = "service/"


class SwarmStand:
    """It has a named volume, and is watched for half a second after each replacement."""

    name = "swarm"
    kind = "service"
    traits = Traits(quick=False, patience=timedelta(seconds=40))
    secret: HostSecret | None = None

    def __init__(self, engine: SwarmNode, registry: Registry) -> None:
        self.engine = engine
        self._registry = registry
        self._names: set[str] = set()
        self.address = HostAddress(self.name, RuntimeType.DOCKER, ConnectionType.UNIX, engine.url)
        self.nowhere = HostAddress("nowhere", RuntimeType.DOCKER, ConnectionType.UNIX, f"{engine.url}.not")

    def push(self, behaviour: Behaviour) -> Release:
        return push_release(self._registry, "stands/swarm", behaviour)

    def deploy(self, name: str, release: Release) -> str:
        mount = {"Type": "volume", "Source": f"data-of-{name}", "Target": "/data"}
        image = f"{release.reference}@{release.digest}"
        template = {
            "ContainerSpec": {"Image": image, "Mounts": [mount]},
            "RestartPolicy": {"Condition": "any", "Delay": HALF_A_SECOND},
        }
        self.engine.create_service(name, image, TaskTemplate=template)
        self._names.add(name)
        if release.behaviour is Behaviour.HEALTHY:
            self.engine.await_running(name)
        return f"{_PREFIX}{name}"

    def replace_by_hand(self, key: str, release: Release) -> None:
        template = self.engine.service(_name(key))["Spec"]["TaskTemplate"]
        container = {**template["ContainerSpec"], "Image": f"{release.reference}@{release.digest}"}
        self.engine.update_service(_name(key), TaskTemplate={**template, "ContainerSpec": container})
        self.engine.await_running(_name(key))

    def running(self, key: str) -> tuple[Copy, ...]:
        return tuple(
            Copy(str(each["ID"]), frozenset({_digest(each)}))
            for each in self.engine.tasks(_name(key))
            if each["Status"]["State"] == "running"
        )

    def leftovers(self, key: str) -> tuple[str, ...]:
        """Tasks that run though they should not, other services named after it, and volumes of nobody."""
        wanted = {each["ID"] for each in self.engine.tasks(_name(key))}
        stale = [
            each["ID"]
            for each in self.engine.tasks(_name(key), wanted=False)
            if each["ID"] not in wanted and each["Status"]["State"] == "running"
        ]
        services = [str(each["Spec"]["Name"]) for each in self.engine.call("GET", "/services")]
        strange = [name for name in services if name != _name(key) and _name(key) in name]
        helpers = [
            str(each.name)
            for each in self.engine.client.containers.list(all=True, ignore_removed=True)
            if str(each.name).startswith("uptainer-")
        ]
        known = {f"data-of-{name}" for name in self._names}
        volumes = [str(each.name) for each in self.engine.client.volumes.list()]
        return (*stale, *strange, *helpers, *(name for name in volumes if name not in known))

    def is_paused(self, key: str) -> bool:
        """No service is."""
        return False

    def has_crashed(self, key: str) -> bool:
        tasks = self.engine.tasks(_name(key), wanted=False)
        return any(each["Status"]["State"] in ("failed", "rejected", "complete") for each in tasks)

    def data(self, key: str) -> Mapping[str, str]:
        volume = self.engine.client.volumes.get(f"data-of-{_name(key)}")
        folder = Path(str(volume.attrs["Mountpoint"]))
        return {path.name: path.read_text() for path in sorted(folder.iterdir())}

    def everything(self) -> Any:
        services = {
            each["Spec"]["Name"]: (
                each["Spec"],
                [task["ID"] for task in self.engine.tasks(each["Spec"]["Name"])],
            )
            for each in self.engine.call("GET", "/services")
        }
        images = sorted((each.id, *each.tags) for each in self.engine.client.images.list(all=True))
        volumes = sorted(str(each.name) for each in self.engine.client.volumes.list())
        return services, images, volumes

    def clear(self) -> None:
        self.engine.clear()
        self._names.clear()

    def close(self) -> None:
        with suppress(NotFound):
            self.clear()


def _name(key: str) -> str:
    return key.removeprefix(_PREFIX)


def _digest(task: Mapping[str, Any]) -> str:
    return str(task["Spec"]["ContainerSpec"]["Image"]).rpartition("@")[2]
