"""What of a cluster forbids replacing a workload now, and what is merely to be known of it. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from uptainer.runtimes.kubernetes import quotas
from uptainer.runtimes.kubernetes.strategies import ON_DELETE, strategy_of
from uptainer.runtimes.kubernetes.templates import find_container, matches, template_of

Json = Mapping[str, Any]

_REVISIONS = {
    "deployment": "count/replicasets.apps",
    "statefulset": "count/controllerrevisions.apps",
    "daemonset": "count/controllerrevisions.apps",
}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What else the namespace holds that a rollout meets; `pods` are the workload's own."""

    pods: Sequence[Json] = ()
    quotas: Sequence[Json] = ()
    budgets: Sequence[Json] = ()
    autoscalers: Sequence[Json] = ()


def obstacles(kind: str, workload: Json, container: str, around: Surroundings) -> Iterator[str]:
    """Why it must not be replaced as it is, each a sentence about "it" that says what to do."""
    if workload["metadata"].get("deletionTimestamp"):
        yield "it is being deleted"
    yield from _of_rollout(kind, workload)
    yield from _of_strategy(kind, workload["spec"])
    if find_container(workload, container)[1].get("imagePullPolicy") == "Never":
        yield (
            f"container {container} has imagePullPolicy Never, so only what is on its nodes already can run: "
            "set IfNotPresent"
        )
    yield from _of_budgets(kind, workload, around.budgets)
    yield from _of_quotas(kind, workload, around)


def notes(kind: str, workload: Json, around: Surroundings) -> Iterator[str]:
    """What a person may want to know beforehand."""
    if kind != "cronjob" and not strategy_of(kind, workload).pods:
        yield "it has no pods now, and gets none"
    for each in around.autoscalers:
        target = each["spec"].get("scaleTargetRef") or {}
        if _is_target(kind, workload, target):
            yield f"the autoscaler {each['metadata']['name']} keeps setting the number of its pods"
    for each in _own_budgets(workload, around.budgets):
        yield f"the disruption budget {each['metadata']['name']} is kept"


def _of_rollout(kind: str, workload: Json) -> Iterator[str]:
    if kind != "deployment":
        return
    if workload["spec"].get("paused"):
        yield (
            "its rollout is paused, and somebody paused it for a reason: `kubectl rollout resume` it to have it "
            "updated"
        )
    for each in (workload.get("status") or {}).get("conditions") or ():
        if each["type"] == "Progressing" and each["status"] == "False":
            yield f"its last rollout failed ({each.get('reason')}: {each.get('message')}): repair or undo that first"


def _of_strategy(kind: str, spec: Json) -> Iterator[str]:
    strategy = spec.get("updateStrategy") or {}
    partition = int((strategy.get("rollingUpdate") or {}).get("partition") or 0)
    if strategy.get("type") == ON_DELETE:
        yield (
            "its update strategy is OnDelete: its pods are replaced when somebody deletes them, and that order is "
            "somebody's own; set RollingUpdate to have it updated"
        )
    elif kind == "statefulset" and partition:
        yield (
            f"its partition {partition} holds back the pods below it, and somebody holds them back for a reason: "
            "make it 0 to have it updated"
        )


def _of_budgets(kind: str, workload: Json, budgets: Sequence[Json]) -> Iterator[str]:
    """A cluster keeps to a budget when it evicts pods, and not in a rollout: so that is looked at here."""
    strategy = strategy_of(kind, workload)
    left = strategy.pods - strategy.unavailable
    for each in _own_budgets(workload, budgets):
        wanted = int((each.get("status") or {}).get("desiredHealthy") or 0)
        if strategy.unavailable and left < wanted:
            yield (
                f"the disruption budget {each['metadata']['name']} wants {wanted} of its {strategy.pods} pods "
                f"available, and the rollout would leave {left} ({strategy}): change the strategy or the budget"
            )


def _own_budgets(workload: Json, budgets: Sequence[Json]) -> list[Json]:
    labels = (template_of(workload).get("metadata") or {}).get("labels") or {}
    return [each for each in budgets if matches(each["spec"].get("selector"), labels)]


def _of_quotas(kind: str, workload: Json, around: Surroundings) -> Iterator[str]:
    """Where old pods may go first, they make the room themselves."""
    strategy = strategy_of(kind, workload)
    if not around.pods or not strategy.surge or strategy.unavailable:
        return
    revision = {_REVISIONS[kind]: 1} if kind in _REVISIONS else {}
    for sentence in quotas.shortages(around.quotas, around.pods[0], revision):
        yield f"{sentence} ({strategy}): raise the quota, or let the strategy do with fewer pods"


def _is_target(kind: str, workload: Json, target: Json) -> bool:
    same = str(target.get("kind", "")).lower() == kind
    return same and target.get("name") == workload["metadata"]["name"]
