"""Everything that the engine holds, read in as few calls as it takes: one list, one inspect each."""

from collections.abc import Iterable, Mapping
from typing import Any

from uptainer.core.images import ImageFacts
from uptainer.core.workloads import ContainerFacts
from uptainer.runtimes.docker import facts, service_discovery, services
from uptainer.runtimes.engine import inspection, names
from uptainer.runtimes.engine.client import Engine
from uptainer.runtimes.engine.gathering import inspect_each

Json = Mapping[str, Any]


def read_containers(engine: Engine) -> list[ContainerFacts]:
    """All containers, running or not, but for our own helpers; those that vanish meanwhile are not there any more.

    On a manager of a swarm its services, in place of their tasks' containers here. Each distinct image is inspected once.
    """
    everything = [each for each in inspect_all(engine) if not names.is_passing(inspection.key(each))]
    manages = services.is_manager(engine)
    containers = [each for each in everything if not (manages and service_discovery.service_id_of(each))]
    images = _read_images(engine, {each["Image"] for each in containers})
    keys = keys_by_name(containers)
    found = [facts.container_facts(each, images.get(each["Image"]), keys) for each in containers]
    own = [service_discovery.as_task(each) for each in found]
    return [*own, *(service_discovery.read_services(engine, everything) if manages else ())]


def inspect_all(engine: Engine) -> list[Json]:
    """Raises UnreachableError, or whatever else went wrong, rather than return a part of them."""
    listed = engine.get("/containers/json", about="its containers", query={"all": "1"})
    return inspect_each(engine, "/containers/{}/json", [item["Id"] for item in listed])


def keys_by_name(containers: Iterable[Json]) -> dict[str, str]:
    """From all by which one container may name another (id, short id, name, `project/service`) to its key."""
    keys: dict[str, str] = {}
    for each in containers:
        key, labels = inspection.key(each), each["Config"].get("Labels") or {}
        keys |= {each["Id"]: key, names.short(each["Id"]): key, key: key}
        if service := labels.get(facts.COMPOSE_SERVICE):
            keys.setdefault(f"{labels.get(facts.COMPOSE_PROJECT, '')}/{service}", key)
    return keys


def _read_images(engine: Engine, ids: set[str]) -> dict[str, ImageFacts]:
    found = inspect_each(engine, "/images/{}/json", sorted(ids))
    return {image["Id"]: facts.image_facts(image) for image in found}
