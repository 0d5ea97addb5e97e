"""What replacing a container's image would do, and what forbids it; reads the cluster and touches nothing."""

import secrets
import socket
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from uptainer.core.errors import BusyError, InvalidInputError, RefusedError
from uptainer.runtimes.kubernetes import changes, snapshots
from uptainer.runtimes.kubernetes.changes import Change
from uptainer.runtimes.kubernetes.client import Cluster
from uptainer.runtimes.kubernetes.discovery import read_pods
from uptainer.runtimes.kubernetes.observation import observe
from uptainer.runtimes.kubernetes.obstacles import Surroundings, notes, obstacles
from uptainer.runtimes.kubernetes.ownership import OwnerKind, owner_of
from uptainer.runtimes.kubernetes.pins import named, pinned, read_pins
from uptainer.runtimes.kubernetes.pods import Pod, digest_in
from uptainer.runtimes.kubernetes.resources import (
    AUTOSCALER_VERSIONS,
    DISRUPTION_BUDGET_VERSIONS,
    PODS,
    QUOTAS,
)
from uptainer.runtimes.kubernetes.rollout import available_of, unrest
from uptainer.runtimes.kubernetes.strategies import strategy_of
from uptainer.runtimes.kubernetes.targets import Target, find_target
from uptainer.runtimes.kubernetes.templates import CRON_JOB, image_in, selector_text
from uptainer.runtimes.kubernetes.trials import Trial
from uptainer.runtimes.kubernetes.ways_back import described, way_back
from uptainer.runtimes.port import Phase, ReplacementPlan, ReplacementRequest, Step

Json = Mapping[str, Any]

_OUR_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


@dataclass(frozen=True, slots=True)
class Document:
    """What the journal keeps of a plan: every act and undo reads it, and nothing else.

    `available` is how many pods were, and have to be again after an undo. `mark` is in the name of what is made for this
    plan. `old` is the workload as it was.
    """

    change: Change
    available: int
    mark: str
    claims: list[str]
    old: dict[str, Any]

    def write(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def read(cls, document: Json) -> Self:
        return cls(
            change=Change(**document["change"]),
            available=int(document["available"]),
            mark=str(document["mark"]),
            claims=list(document["claims"]),
            old=dict(document["old"]),
        )


def plan_replacement(cluster: Cluster, request: ReplacementRequest) -> ReplacementPlan:
    """Raises: RefusedError, BusyError, NotFoundError, UnreachableError. See the port."""
    if request.image.digest is None:
        raise InvalidInputError(
            f"{request.image} has no digest: what is deployed is exactly what was approved"
        )
    target = find_target(cluster, request.key)
    workload = cluster.get(target.path)
    around = surroundings(cluster, target, workload)
    document = _document(cluster, target, request, workload, around)
    refuse(target, request, workload, around)
    changes.rehearse(cluster, target, workload, document.change)
    if pulls_first(target, workload):
        Trial(cluster, target, workload, document.change.after, document.mark).rehearse()
    return ReplacementPlan(
        key=request.key,
        steps=tuple(_steps(target, request, workload, document, list(notes(target.kind, workload, around)))),
        document=document.write(),
        same_identity=False,
    )


def refuse(target: Target, request: ReplacementRequest, workload: Json, around: Surroundings) -> None:
    """Raises: RefusedError with every reason why not; BusyError where it is only too early."""
    reasons = [*_ownership(workload, request), *obstacles(target.kind, workload, target.container, around)]
    if _is_ours(target, around):
        reasons.append(
            "it is Uptainer itself, which can't replace the ground it stands on: update it by hand"
        )
    if reasons:
        raise RefusedError(f"{request.key}: {'; '.join(reasons)}")
    early = unrest(target.kind, workload)
    if early:
        raise BusyError(f"{request.key}: {early}")


def surroundings(cluster: Cluster, target: Target, workload: Json) -> Surroundings:
    """Raises AccessDeniedError: what may forbid it has to be known."""
    if target.kind == CRON_JOB:
        return Surroundings()
    query = {"labelSelector": selector_text(workload["spec"]["selector"])}
    pods = cluster.items(PODS.path(target.namespace), query=query)
    budgets = cluster.served("policy", "poddisruptionbudgets", DISRUPTION_BUDGET_VERSIONS)
    scalers = cluster.served("autoscaling", "horizontalpodautoscalers", AUTOSCALER_VERSIONS)
    return Surroundings(
        pods=[pod for pod in pods if Pod.read(pod).live and _belongs(pod, target)],
        quotas=cluster.items(QUOTAS.path(target.namespace)),
        budgets=cluster.items(budgets.path(target.namespace)) if budgets else (),
        autoscalers=cluster.items(scalers.path(target.namespace)) if scalers else (),
    )


def _belongs(pod: Json, target: Target) -> bool:
    return Pod.read(pod).owner == (target.kind, target.key.name)


def _ownership(workload: Json, request: ReplacementRequest) -> Iterator[str]:
    owner = owner_of(workload)
    if owner is None or (owner.kind is OwnerKind.GITOPS and request.overrule_gitops):
        return
    overrule = ", or let the policy say `gitops: update`" if owner.kind is OwnerKind.GITOPS else ""
    yield f"it belongs to {owner.name}, and a change from here would be undone: {owner.advice}{overrule}"


def _is_ours(target: Target, around: Surroundings) -> bool:
    """In a pod, the host name is the pod's, and its namespace stands beside its token."""
    try:
        here = _OUR_NAMESPACE.read_text().strip()
    except OSError:
        return False
    names = {pod["metadata"]["name"] for pod in around.pods}
    return here == target.namespace and socket.gethostname() in names


def _document(
    cluster: Cluster, target: Target, request: ReplacementRequest, workload: Json, around: Surroundings
) -> Document:
    old = {**workload, "metadata": {**workload["metadata"]}}
    old["metadata"].pop("managedFields", None)
    return Document(
        change=_change(cluster, target, request, workload, around),
        available=0 if target.kind == CRON_JOB else available_of(target.kind, workload),
        mark=secrets.token_hex(4),
        claims=snapshots.claims_of(cluster, target, workload) if request.snapshot else [],
        old=old,
    )


def _change(
    cluster: Cluster, target: Target, request: ReplacementRequest, workload: Json, around: Surroundings
) -> Change:
    before = image_in(workload, target.container)
    after = pinned(before, request.tag, str(request.image.digest))
    if after == before:
        raise RefusedError(f"{request.key} has the image {after} already")
    pin = read_pins(workload).get(target.container)
    ours = pin is not None and pin.deployed == before
    return Change(
        before=before,
        after=after,
        back=way_back(request, before, _running(cluster, target, workload, around), kind=target.kind),
        reference=named(before, request.tag) if ours or not digest_in(before) else after,
        cause_before=(workload["metadata"].get("annotations") or {}).get(changes.CAUSE),
        pin_before=pin.write() if pin else None,
    )


def _running(cluster: Cluster, target: Target, workload: Json, around: Surroundings) -> set[str]:
    """As `way_back` wants it; a CronJob runs by the digest of its newest job."""
    if target.kind == CRON_JOB:
        seen = observe(target.kind, workload, target.container, read_pods(cluster, target.key, workload))
        return set(seen.repo_digests)
    instances = [pod.instances.get(target.container) for pod in map(Pod.read, around.pods)]
    return {each.repo_digest for each in instances if each is not None and each.image_id}


def _steps(
    target: Target, request: ReplacementRequest, workload: Json, document: Document, remarks: list[str]
) -> Iterator[Step]:
    key, change = request.key, document.change
    told = [each for each in (*remarks, described(change.before, change.back)) if each]
    remark = f" ({'; '.join(told)})" if told else ""
    yield Step("check", Phase.PREPARE, f"have the cluster check the change of {key} without making it")
    if pulls_first(target, workload):
        yield Step(
            "pull", Phase.PREPARE, f"have a pod of its own pull {change.after} with the pull secrets of {key}"
        )
    if document.claims:
        yield Step("snapshot", Phase.PREPARE, f"take a snapshot of {', '.join(document.claims)}")
    yield Step(
        "patch", Phase.SWITCH, f"give {key} the image {change.after} in place of {change.before}{remark}"
    )
    if target.kind == CRON_JOB:
        return
    strategy = strategy_of(target.kind, workload)
    yield Step("rollout", Phase.SWITCH, f"watch the rollout of {target.key.workload} to its end ({strategy})")
    if document.claims:
        kept = request.snapshots_kept
        yield Step("prune_snapshots", Phase.FINISH, f"keep the newest {kept} of our snapshots of each volume")


def pulls_first(target: Target, workload: Json) -> bool:
    """Where old pods go before new ones have come, or none comes for long: an image that can't be pulled must show
    before. A rollout that begins with a new pod shows it by itself, and the old ones go on.
    """
    strategy = strategy_of(target.kind, workload)
    return target.kind == CRON_JOB or strategy.unavailable > 0
