"""One container making way for another: all that doing it and undoing it needs, as a value that a journal keeps."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from uptainer.core.enums import ContainerStatus
from uptainer.runtimes.docker import configuration, networks
from uptainer.runtimes.engine import inspection, names
from uptainer.runtimes.engine.names import Role

Json = Mapping[str, Any]

RUNS = frozenset({ContainerStatus.RUNNING, ContainerStatus.RESTARTING})


@dataclass(frozen=True, slots=True)
class Swap:
    """`body` is what the new container is created with, but for its restart policy, which it gets when it starts.

    `endpoints` are connected before it starts, `detached` is a network that creation connects and the old one left.
    With `restart_only` there is no new container: the old one is stopped and started again.
    """

    key: str
    old_id: str
    beside: str
    aside: str
    was_running: bool
    restart_policy: dict[str, Any]
    body: dict[str, Any]
    endpoints: dict[str, Any]
    detached: str | None
    volumes: list[str]
    restart_only: bool = False

    @classmethod
    def read(cls, document: Json) -> Self:
        return cls(**document)

    def on_image(self, old_image_id: str, new_image_id: str) -> Self:
        """With compose's note of the image's id moved along."""
        labels = configuration.moved_labels(self.body.get("Labels") or {}, old_image_id, new_image_id)
        return replace(self, body={**self.body, "Labels": labels})

    def write(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What of the host a container's configuration refers to."""

    engine_name: str
    api_version: str
    names_of: Mapping[str, str]
    inherited: frozenset[str] = frozenset()


def swap_of(
    container: Json, image: Json, reference: str, around: Surroundings, *, restart_only: bool = False
) -> Swap:
    """A swap of `container` for one made the same way from `reference`; `image` is the old one's, as inspected."""
    key, container_id = inspection.key(container), container["Id"]
    endpoints = networks.own_endpoints(container, around.api_version)
    first = networks.first_network(container)
    return Swap(
        key=key,
        old_id=container_id,
        beside=names.name_of(Role.NEW, key, container_id),
        aside=names.name_of(Role.OLD, key, container_id),
        was_running=container["State"]["Status"] in RUNS,
        restart_policy=dict(container["HostConfig"].get("RestartPolicy") or configuration.NEVER_RESTART),
        body=_body(container, image, reference, around, endpoints),
        endpoints={name: endpoint for name, endpoint in endpoints.items() if name != first},
        detached=first if networks.has_networks(container) and first not in endpoints else None,
        volumes=[each["Name"] for each in container.get("Mounts") or () if each.get("Name")],
        restart_only=restart_only,
    )


def _body(
    container: Json, image: Json, reference: str, around: Surroundings, endpoints: Json
) -> dict[str, Any]:
    body = configuration.user_settings(container["Config"], image.get("Config") or {})
    body |= configuration.host_name(container, around.engine_name)
    body["Image"] = reference
    body["HostConfig"] = configuration.host_settings(container, around.names_of, around.inherited)
    body["HostConfig"]["RestartPolicy"] = dict(configuration.NEVER_RESTART)
    if networks.takes_all_at_creation(around.api_version):
        body.pop("MacAddress", None)
        at_creation = dict(endpoints)
    else:
        first = networks.first_network(container)
        at_creation = {first: endpoints[first]} if endpoints.get(first) else {}
    if at_creation:
        body["NetworkingConfig"] = {"EndpointsConfig": at_creation}
    return body
