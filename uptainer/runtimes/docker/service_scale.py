"""A service without tasks, and with as many as it had: what is to be known again is noted on the service itself.

A swarm forgets the tasks of a service that is scaled down, and with them how many there were, and where.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from uptainer.core.errors import RefusedError
from uptainer.runtimes.docker import service_facts, services

Json = Mapping[str, Any]

REPLICAS, NODE = "uptainer-replicas", "uptainer-node"
"""Labels of the service alone: no task is replaced for them."""


def with_replicas(spec: Json, number: int) -> dict[str, Any]:
    return {**spec, "Mode": {"Replicated": {**spec["Mode"]["Replicated"], "Replicas": number}}}


def stopped(spec: Json, tasks: Sequence[Json] = ()) -> dict[str, Any]:
    """Scaled to none, with a note of how many it had, and of the node if that was one."""
    nodes = {str(each["NodeID"]) for each in service_facts.wanted(tasks) if each.get("NodeID")}
    notes = {REPLICAS: str(service_facts.replicas(spec))}
    if len(nodes) == 1:
        notes[NODE] = nodes.pop()
    return {**with_replicas(spec, 0), "Labels": {**(spec.get("Labels") or {}), **notes}}


def stopped_like(spec: Json, other: Json) -> dict[str, Any]:
    """Scaled to none, with the notes that are on the other one."""
    notes = {name: value for name, value in (other.get("Labels") or {}).items() if name in (REPLICAS, NODE)}
    return {**with_replicas(spec, 0), "Labels": {**(spec.get("Labels") or {}), **notes}}


def started(spec: Json, number: int) -> dict[str, Any]:
    labels = {
        name: value for name, value in (spec.get("Labels") or {}).items() if name not in (REPLICAS, NODE)
    }
    return {**with_replicas(spec, number), "Labels": labels}


def replicas_before(service: Json) -> int:
    """By our note, else by the spec that the swarm keeps of before. Raises RefusedError where neither says."""
    noted = (service["Spec"].get("Labels") or {}).get(REPLICAS, "")
    before = service_facts.replicas(service.get("PreviousSpec") or {})
    number = int(noted) if noted.isdigit() else before or 0
    if not number:
        raise RefusedError(
            f"{services.key_of(service)} was scaled to no tasks, and nothing says how many it should have: "
            f"`docker service scale {service['Spec']['Name']}=1`"
        )
    return number


def node_of(service: Json, tasks: Sequence[Json]) -> str | None:
    """Where its one task runs or ran last; None where nothing says."""
    placed = [each for each in tasks if each.get("NodeID")]
    last = max(placed, key=lambda each: str(each["CreatedAt"]), default=None)
    noted = (service["Spec"].get("Labels") or {}).get(NODE)
    return str(last["NodeID"]) if last else noted
