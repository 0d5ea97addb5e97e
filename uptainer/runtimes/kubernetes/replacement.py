"""The steps of a replacement, by name: what each does, and how it is undone."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from uptainer.core.clock import Clock
from uptainer.core.errors import InvalidInputError, RefusedError
from uptainer.runtimes.kubernetes import changes, planning, snapshots
from uptainer.runtimes.kubernetes.client import Cluster
from uptainer.runtimes.kubernetes.discovery import read_pods
from uptainer.runtimes.kubernetes.planning import Document
from uptainer.runtimes.kubernetes.survivors import all_survive
from uptainer.runtimes.kubernetes.targets import Target, find_target
from uptainer.runtimes.kubernetes.templates import CRON_JOB, image_in
from uptainer.runtimes.kubernetes.trials import Trial
from uptainer.runtimes.kubernetes.watching import Goal, Watch
from uptainer.runtimes.port import ReplacementRequest

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Replacement:
    """One replacement, on the cluster. What a step needs of those before it stands in the plan or in the cluster."""

    cluster: Cluster
    target: Target
    request: ReplacementRequest
    plan: Document
    clock: Clock

    @property
    def trial(self) -> Trial:
        return Trial(self.cluster, self.target, self.plan.old, self.plan.change.after, self.plan.mark)


def perform(
    cluster: Cluster, step: str, request: ReplacementRequest, document: Json, clock: Clock | None = None
) -> Json:
    return _act(step).do(_replacement(cluster, request, document, clock))


def revert(
    cluster: Cluster, step: str, request: ReplacementRequest, document: Json, clock: Clock | None = None
) -> None:
    _act(step).undo(_replacement(cluster, request, document, clock))


def _replacement(
    cluster: Cluster, request: ReplacementRequest, document: Json, clock: Clock | None
) -> Replacement:
    target = find_target(cluster, request.key)
    return Replacement(cluster, target, request, Document.read(document), clock or Clock())


def _check(on: Replacement) -> Json:
    """All that forbids it may have come since it was planned. Once the change is made, there is nothing to check."""
    workload = on.cluster.get(on.target.path)
    image = image_in(workload, on.target.container)
    if image not in (on.plan.change.before, on.plan.change.after):
        raise changes.superseded(on.target, image)
    if image == on.plan.change.before:
        around = planning.surroundings(on.cluster, on.target, workload)
        planning.refuse(on.target, on.request, workload, around)
        changes.rehearse(on.cluster, on.target, workload, on.plan.change)
    return {"image": on.plan.change.before}


def _pull(on: Replacement) -> Json:
    on.trial.prove(on.clock)
    return {"image": on.plan.change.after}


def _unpull(on: Replacement) -> None:
    on.trial.remove()


def _snapshot(on: Replacement) -> Json:
    taken = snapshots.take(on.cluster, on.target, on.plan.claims, on.plan.mark, on.clock)
    return {"snapshots": taken}


def _unsnapshot(on: Replacement) -> None:
    snapshots.remove_unready(on.cluster, on.target, on.plan.claims, on.plan.mark)


def _patch(on: Replacement) -> Json:
    changes.make(on.cluster, on.target, on.plan.change)
    return {"image": on.plan.change.after}


def _unpatch(on: Replacement) -> None:
    """With as many pods available again as there were.

    Raises:
        SupersededError: somebody else put another image there meanwhile, which stays.
    """
    changes.take_back(on.cluster, on.target, on.plan.change, partial(_all_survive, on))
    if on.target.kind == CRON_JOB:
        return
    image = image_in(on.cluster.get(on.target.path), on.target.container)
    deadline = on.request.health_deadline
    goal = Goal(image, deadline, back=True, available=on.plan.available)
    Watch(on.cluster, on.target, goal, on.clock).until_complete()


def _all_survive(on: Replacement, workload: Json) -> bool:
    if on.target.kind == CRON_JOB:
        return False
    return all_survive(on.target, on.plan, workload, read_pods(on.cluster, on.target.key, workload))


def _rollout(on: Replacement) -> Json:
    goal = Goal(on.plan.change.after, on.request.health_deadline)
    sight = Watch(on.cluster, on.target, goal, on.clock).until_complete()
    return {"revision": sight.revision}


def _prune_snapshots(on: Replacement) -> Json:
    snapshots.prune(on.cluster, on.target, on.plan.claims, on.request.snapshots_kept)
    return {"kept": on.request.snapshots_kept}


def _unprune(on: Replacement) -> None:
    raise RefusedError(f"the older snapshots of {on.target.key} were removed for good")


def _nothing(on: Replacement) -> None:
    """It touched nothing, or what it watched is undone by the step before it."""


@dataclass(frozen=True, slots=True)
class _Act:
    do: Callable[[Replacement], Json]
    undo: Callable[[Replacement], None] = _nothing


_ACTS: Mapping[str, _Act] = {
    "check": _Act(_check),
    "pull": _Act(_pull, _unpull),
    "snapshot": _Act(_snapshot, _unsnapshot),
    "patch": _Act(_patch, _unpatch),
    "rollout": _Act(_rollout),
    "prune_snapshots": _Act(_prune_snapshots, _unprune),
}


def _act(step: str) -> _Act:
    try:
        return _ACTS[step]
    except KeyError:
        raise InvalidInputError(f"Kubernetes has no step {step!r} in a replacement") from None
