"""Who else must be stopped, and started or made again, when a container is replaced. Pure but for what it is given.

Made again: who refers to the container by its id, for the id changes (its network, IPC or PID namespace), who has its
volumes or a link of the default bridge, both taken down at creation. Restarted: whose compose file says
`depends_on: {..., restart: true}`, and who shares a namespace with a container that is restarted.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from uptainer.runtimes.docker import facts
from uptainer.runtimes.engine import inspection, names
from uptainer.runtimes.engine.namespaces import means, shared_namespace

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Dependant:
    container: Json
    recreate: bool
    reason: str


def find_dependants(target: Json, containers: Sequence[Json]) -> list[Dependant]:
    """In the order in which they start again: each after those that it depends on."""
    found: dict[str, Dependant] = {}
    providers = [(target, True)]
    while providers:
        provider, recreated = providers.pop(0)
        for each in containers:
            if each["Id"] == target["Id"] or names.role(inspection.key(each)):
                continue
            dependant = _dependant(each, provider, recreated)
            known = found.get(each["Id"])
            if dependant and (known is None or (dependant.recreate and not known.recreate)):
                found[each["Id"]] = dependant
                providers.append((each, dependant.recreate))
    return _in_order(found)


def _dependant(container: Json, provider: Json, recreated: bool) -> Dependant | None:
    owner = inspection.key(provider)
    if shared := shared_namespace(container, provider):
        return Dependant(container, recreated, f"it shares the {shared} of {owner}")
    if recreated and _has_volumes_of(container, provider):
        return Dependant(container, True, f"it has the volumes of {owner}")
    if recreated and _is_linked_to(container, provider):
        return Dependant(container, True, f"it is linked to {owner}")
    if _restarts_with(container, provider):
        return Dependant(container, False, f"its compose file restarts it with {owner}")
    return None


def _has_volumes_of(container: Json, provider: Json) -> bool:
    entries = container["HostConfig"].get("VolumesFrom") or ()
    return any(means(str(each).split(":")[0], provider) for each in entries)


def _is_linked_to(container: Json, provider: Json) -> bool:
    links = container["HostConfig"].get("Links") or ()
    return any(means(facts.link_target(each), provider) for each in links)


def _restarts_with(container: Json, provider: Json) -> bool:
    labels = container["Config"].get("Labels") or {}
    theirs = provider["Config"].get("Labels") or {}
    project, service = theirs.get(facts.COMPOSE_PROJECT), theirs.get(facts.COMPOSE_SERVICE)
    return (
        project is not None
        and labels.get(facts.COMPOSE_PROJECT) == project
        and any(each.restart and each.service == service for each in facts.compose_dependencies(labels))
    )


def _in_order(found: Mapping[str, Dependant]) -> list[Dependant]:
    """Breadth-first finding is almost an order; one that is reached by two ways goes behind the later provider."""
    ordered: list[Dependant] = []
    waiting = list(found.values())
    while waiting:
        ready = [each for each in waiting if not _waits_for(each, waiting)] or waiting[:1]
        ordered += ready
        waiting = [each for each in waiting if each not in ready]
    return ordered


def _waits_for(dependant: Dependant, others: Iterable[Dependant]) -> bool:
    return any(
        _dependant(dependant.container, each.container, each.recreate)
        for each in others
        if each is not dependant
    )
