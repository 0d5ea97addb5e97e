"""The services of a swarm, read where they are known: on a manager."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from uptainer.core.images import ImageFacts
from uptainer.core.platform import Platform
from uptainer.core.reference import Reference
from uptainer.core.workloads import ContainerFacts
from uptainer.runtimes.docker import facts, pulling, service_facts, services
from uptainer.runtimes.docker.service_facts import Surroundings
from uptainer.runtimes.engine.client import Engine
from uptainer.runtimes.port import WorkloadState

Json = Mapping[str, Any]


def read_services(engine: Engine, containers: Iterable[Json]) -> list[ContainerFacts]:
    """`containers` are this node's, as inspected. Raises rather than return a part of them."""
    found = services.read_all(engine)
    if not found:
        return []
    networks, platforms = services.network_names(engine), services.node_platforms(engine)
    tasks = _grouped(services.read_tasks(engine), lambda each: each.get("ServiceID"))
    here = _grouped(containers, service_id_of)
    images = _Images(engine)
    return [
        service_facts.container_facts(
            each,
            Surroundings(
                tasks.get(each["ID"], ()),
                networks,
                images.of(each["Spec"], here.get(each["ID"], ())),
                here.get(each["ID"], ()),
                platforms,
            ),
        )
        for each in found
    ]


def read_state(engine: Engine, key: str) -> WorkloadState:
    service = services.find(engine, key)
    return service_facts.workload_state(service, surroundings(engine, service))


def surroundings(engine: Engine, service: Json) -> Surroundings:
    """Of one service, without the names of its networks."""
    here = services.containers_here(engine, service["ID"])
    tasks = services.read_tasks(engine, service["ID"])
    return Surroundings(tasks, {}, _Images(engine).of(service["Spec"], here), here)


def service_id_of(container: Json) -> str | None:
    found = (container["Config"].get("Labels") or {}).get(services.SERVICE_ID)
    return str(found) if found else None


def as_task(container: ContainerFacts) -> ContainerFacts:
    """A container that a swarm made is told of as its: this node does not manage it."""
    if services.SERVICE_ID not in container.labels:
        return container
    name = container.labels.get(services.SERVICE_NAME) or "a service"
    owner = {
        "kind": "swarm",
        "name": f"the Swarm service {name}",
        "advice": "update it on a manager of its swarm",
    }
    return replace(
        container,
        workload_kind="service_task",
        project=container.labels.get(service_facts.STACK),
        service=name,
        details={**container.details, "owner": owner},
    )


def deployed_image(engine: Engine, name: str) -> ImageFacts | None:
    """What is known of an image that this manager does not hold and its swarm deploys: its digest.

    `name` is a reference with a digest, or the bare digest of an image that a service has, or had before.
    """
    if not services.is_manager(engine):
        return None
    image = name if "@" in name else _deployed_as(engine, name)
    by_digest = services.pinned(image) if image else None
    return _unheld(by_digest) if by_digest else None


def _deployed_as(engine: Engine, digest: str) -> str | None:
    specs = (
        spec
        for each in services.read_all(engine)
        for spec in (each["Spec"], each.get("PreviousSpec"))
        if spec
    )
    images = (services.image_of(spec) for spec in specs)
    return next((each for each in images if each.endswith(f"@{digest}")), None)


def _unheld(image: Reference) -> ImageFacts:
    return ImageFacts(
        image_id=str(image.digest),
        repo_tags=(),
        repo_digests=(image.familiar,),
        labels={},
        platform=Platform("unknown", "unknown"),
        created_at=None,
        size=0,
    )


class _Images:
    """Each distinct image is asked for once."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: dict[str, ImageFacts | None] = {}

    def of(self, spec: Json, here: Sequence[Json]) -> ImageFacts | None:
        """Without a digest, a spec's image is what its tasks have here, where they agree: a tag may have moved."""
        by_digest = services.pinned(services.image_of(spec))
        if by_digest:
            return self._find(by_digest.familiar)
        ids = {str(each["Image"]) for each in here if each["State"].get("Running")}
        return self._find(ids.pop()) if len(ids) == 1 else None

    def _find(self, name: str) -> ImageFacts | None:
        if name not in self._known:
            found = pulling.find_image(self._engine, name)
            self._known[name] = facts.image_facts(found) if found else None
        return self._known[name]


def _grouped(items: Iterable[Json], key: Callable[[Json], str | None]) -> dict[str, list[Json]]:
    groups: dict[str, list[Json]] = {}
    for each in items:
        if (found := key(each)) is not None:
            groups.setdefault(found, []).append(each)
    return groups
