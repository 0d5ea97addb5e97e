"""Who else must be stopped, and started or made again, when a container is replaced. Pure.

Made again: who refers to the container by its id (a shared namespace, `--requires`), or has its volumes. Restarted: the
other containers of its pod, for a pod is one workload.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from uptainer.runtimes.engine import inspection, names
from uptainer.runtimes.podman.discovery import is_infra

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Dependant:
    container: Json
    recreate: bool


def find_dependants(target: Json, containers: Sequence[Json]) -> list[Dependant]:
    """In the order in which they start again: each after those that it depends on."""
    others = [each for each in containers if _is_workload(each, target)]
    again = _depending(target, others)
    ids = {each["Id"] for each in again}
    with_it = [each for each in others if _is_beside(each, target) and each["Id"] not in ids]
    found = [
        *(Dependant(each, recreate=False) for each in with_it),
        *(Dependant(each, recreate=True) for each in again),
    ]
    return _in_order(found)


def _is_workload(container: Json, target: Json) -> bool:
    return (
        container["Id"] != target["Id"]
        and not is_infra(container)
        and not names.role(inspection.key(container))
    )


def _is_beside(container: Json, target: Json) -> bool:
    return bool(target.get("Pod")) and container.get("Pod") == target["Pod"]


def _depending(target: Json, others: Sequence[Json]) -> list[Json]:
    found: list[Json] = []
    providers = [target]
    while providers:
        provider = providers.pop(0)
        new = [each for each in others if each not in found and _needs(each, provider)]
        found += new
        providers += new
    return found


def _needs(container: Json, provider: Json) -> bool:
    sources = (str(each).split(":")[0] for each in container["HostConfig"].get("VolumesFrom") or ())
    named = any(source in (inspection.key(provider), provider["Id"]) for source in sources)
    return named or provider["Id"] in (container.get("Dependencies") or ())


def _in_order(found: Iterable[Dependant]) -> list[Dependant]:
    ordered: list[Dependant] = []
    waiting = list(found)
    while waiting:
        ready = [
            each
            for each in waiting
            if not any(_needs(each.container, other.container) for other in waiting if other is not each)
        ] or waiting[:1]
        ordered += ready
        waiting = [each for each in waiting if each not in ready]
    return ordered
