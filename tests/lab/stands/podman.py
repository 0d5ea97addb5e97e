"""A container on a private Podman, of root or of a user."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.lab.podman import PodmanEngine
from tests.lab.registry import Registry
from tests.lab.stands.releases import Behaviour, Release, push_release
from tests.lab.stands.stand import Copy, Traits
from uptainer.core.enums import ConnectionType, RuntimeType
from uptainer.core.secrets import HostSecret
from uptainer.core.workloads import HostAddress

Json = Mapping[str, Any]

_API = "/v4.0.0/libpod"


class PodmanStand:
    """It restarts unless stopped, and has a named and an anonymous volume."""

    kind = "container"
    traits = Traits(quick=False)
    secret: HostSecret | None = None

    def __init__(self, engine: PodmanEngine, registry: Registry) -> None:
        self.name = "podman-rootless" if engine.rootless else "podman"
        self.engine = engine
        self._registry = registry
        self._volumes: dict[str, set[str]] = {}
        self.address = HostAddress(self.name, RuntimeType.PODMAN, ConnectionType.UNIX, engine.url)
        self.nowhere = HostAddress("nowhere", RuntimeType.PODMAN, ConnectionType.UNIX, f"{engine.url}.not")

    def push(self, behaviour: Behaviour) -> Release:
        return push_release(self._registry, f"stands/{self.name}", behaviour)

    def deploy(self, name: str, release: Release) -> str:
        options = ("--restart", "unless-stopped", "--volume", f"data-of-{name}:/data", "--volume", "/scratch")
        self.engine.podman("run", "--detach", "--name", name, *options, release.reference)
        self._volumes[name] = _volumes_of(self._inspect(name))
        return name

    def replace_by_hand(self, key: str, release: Release) -> None:
        """With its anonymous volume, which Podman 4.3 leaves where it is asked over its API to remove it too."""
        self.engine.ask("DELETE", f"{_API}/containers/{key}", params={"force": "true", "timeout": "0"})
        for volume in self._volumes[key] - {f"data-of-{key}"}:
            self.engine.ask("DELETE", f"{_API}/volumes/{volume}")
        self.deploy(key, release)

    def running(self, key: str) -> tuple[Copy, ...]:
        return tuple(
            Copy(str(each["Id"]), self._digests(str(each["ImageID"])))
            for each in self._all()
            if each["State"] == "running" and key in each["Names"]
        )

    def leftovers(self, key: str) -> tuple[str, ...]:
        """Other containers with its volumes, or named after it; and volumes that were not there when it was deployed."""
        mine = self._volumes.get(key, set())
        names = [str(name) for each in self._all() for name in each["Names"] if name not in self._volumes]
        others = [name for name in names if key in name or _volumes_of(self._inspect(name)) & mine]
        known = set[str]().union(*self._volumes.values())
        return (*others, *sorted(self._volume_names() - known))

    def is_paused(self, key: str) -> bool:
        return bool(self._inspect(key)["State"]["Paused"])

    def has_crashed(self, key: str) -> bool:
        found = self._inspect(key)
        return int(found["RestartCount"]) > 0 or found["State"]["Status"] in ("exited", "stopped")

    def data(self, key: str) -> Mapping[str, str]:
        volume = self._get(f"/volumes/data-of-{key}/json")
        return {path.name: path.read_text() for path in sorted(Path(volume["Mountpoint"]).iterdir())}

    def everything(self) -> Any:
        containers = {name: each["Id"] + each["State"] for each in self._all() for name in each["Names"]}
        images = sorted(
            (each["Id"], tuple(each.get("RepoTags") or ())) for each in self._get("/images/json?all=true")
        )
        return containers, images, sorted(self._volume_names())

    def clear(self) -> None:
        self.engine.clear()
        self._volumes.clear()

    def close(self) -> None:
        self.clear()

    def _get(self, path: str) -> Any:
        answer = self.engine.ask("GET", f"{_API}{path}")
        assert answer.is_success, f"{path}: {answer.text}"
        return answer.json()

    def _all(self) -> list[Json]:
        found: list[Json] = self._get("/containers/json?all=true")
        return found

    def _inspect(self, name: str) -> Json:
        found: Json = self._get(f"/containers/{name}/json")
        return found

    def _volume_names(self) -> set[str]:
        return {str(each["Name"]) for each in self._get("/volumes/json") or ()}

    def _digests(self, image_id: str) -> frozenset[str]:
        image = self._get(f"/images/{image_id}/json")
        return frozenset(each.rpartition("@")[2] for each in image["RepoDigests"] or ())


def _volumes_of(container: Json) -> set[str]:
    return {str(each["Name"]) for each in container["Mounts"] if each["Type"] == "volume"}
