"""Whose data a mount holds: a container's, or that of a service with one task, which is on one node."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from uptainer.core.errors import NotFoundError, RefusedError, UnsupportedError
from uptainer.runtimes.capabilities import Capability, capabilities_of
from uptainer.runtimes.docker import exchange, pulling, service_facts, service_scale, services
from uptainer.runtimes.docker.capabilities import TABLE
from uptainer.runtimes.engine.client import Engine

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Owner:
    """`containers` are those that stop with it; a helper is made of `image_id`, and named after `name` and `mark`."""

    containers: frozenset[str]
    image_id: str
    name: str
    mark: str


def owner_of(engine: Engine, key: str) -> Owner:
    """Raises: NotFoundError; RefusedError or UnsupportedError where its data is not here, or not in one place."""
    if services.is_service(key):
        return _service(engine, key)
    container = exchange.find(engine, key)
    if container is None:
        raise NotFoundError(f"there is no container named {key}")
    return Owner(frozenset({container["Id"]}), container["Image"], key, container["Id"])


def _service(engine: Engine, key: str) -> Owner:
    service = services.find(engine, key)
    _refuse_several(service, key)
    _refuse_elsewhere(engine, service, key)
    here = services.containers_here(engine, service["ID"])
    image_id = _image_id(engine, service, here)
    containers = frozenset(str(each["Id"]) for each in here)
    return Owner(containers, image_id, key.replace("/", "."), image_id.removeprefix("sha256:"))


def _refuse_several(service: Json, key: str) -> None:
    capabilities_of(TABLE, service_facts.kind(service["Spec"])).require(Capability.BACK_UP_VOLUMES, key)
    number = service_facts.replicas(service["Spec"]) or 0
    if number > 1:
        raise RefusedError(
            f"{key} has {number} tasks, and volumes belong to the node where a task runs: only a service of one task "
            "can be backed up with its data. To have it updated without, turn the backup of volumes off for it"
        )


def _refuse_elsewhere(engine: Engine, service: Json, key: str) -> None:
    """Where its task is, or was last; in a swarm of one node that is here."""
    names = services.node_names(engine)
    node = service_scale.node_of(service, services.read_tasks(engine, service["ID"]))
    if node is None and len(names) > 1:
        raise RefusedError(
            f"it is not known on which node the data of {key} is: start it, so that it can be seen"
        )
    if node is not None and node != services.node_id(engine):
        place = names.get(node, node)
        raise RefusedError(
            f"the data of {key} is on the node {place}, and only that of this node can be reached"
        )


def _image_id(engine: Engine, service: Json, here: Sequence[Json]) -> str:
    by_digest = services.pinned(services.image_of(service["Spec"]))
    held = pulling.find_image(engine, by_digest.familiar) if by_digest else None
    known = [held["Id"]] if held else [each["Image"] for each in here]
    if not known:
        raise UnsupportedError(
            f"{services.key_of(service)}: its image is not on this node, and data is read by means of it"
        )
    return str(known[0])
