"""Everything that Podman holds, read in as few calls as it takes: one list of each kind, one inspect each."""

from collections.abc import Mapping, Sequence
from typing import Any

from uptainer.core.workloads import ContainerFacts
from uptainer.runtimes.engine import inspection, names
from uptainer.runtimes.engine.gathering import inspect_each
from uptainer.runtimes.podman import facts
from uptainer.runtimes.podman.client import Podman

Json = Mapping[str, Any]


def read_containers(podman: Podman) -> list[ContainerFacts]:
    """All containers, running or not, but for what holds a pod together, and our own helpers."""
    containers = [each for each in inspect_all(podman) if _is_reported(each)]
    pods = pod_names(podman)
    ids = sorted({str(each["Image"]) for each in containers})
    images = {image["Id"]: facts.image_facts(image) for image in inspect_each(podman, "/images/{}/json", ids)}
    keys = {each["Id"]: inspection.key(each) for each in containers}
    return [facts.container_facts(each, images.get(each["Image"]), pods, keys) for each in containers]


def _is_reported(container: Json) -> bool:
    is_helper = names.is_passing(inspection.key(container))
    return not (is_infra(container) or container.get("IsService") or is_helper)


def is_infra(container: Json) -> bool:
    return bool(container.get("IsInfra"))


def inspect_all(podman: Podman) -> Sequence[Json]:
    """Raises UnreachableError, or whatever else went wrong, rather than return a part of them."""
    listed = podman.get("/containers/json", about="its containers", query={"all": "true"})
    return inspect_each(podman, "/containers/{}/json", [item["Id"] for item in listed or ()])


def pod_names(podman: Podman) -> dict[str, str]:
    """From the id of each pod to its name."""
    return {each["Id"]: each["Name"] for each in podman.get("/pods/json", about="its pods") or ()}
