"""Watching a rollout to its end: looks at the cluster, and what is remembered between them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from uptainer.core.clock import Clock
from uptainer.core.errors import (
    BusyError,
    NotFoundError,
    PermanentError,
    TemporaryError,
    UptainerError,
)
from uptainer.runtimes.kubernetes.changes import superseded
from uptainer.runtimes.kubernetes.client import Cluster
from uptainer.runtimes.kubernetes.pods import Pod
from uptainer.runtimes.kubernetes.resources import CONTROLLER_REVISIONS, EVENTS, PODS, REPLICASETS
from uptainer.runtimes.kubernetes.rollout import (
    SLOWLY,
    Sight,
    Symptom,
    described,
    is_complete,
    is_observed,
    is_ready,
    progress_of,
    symptoms,
)
from uptainer.runtimes.kubernetes.strategies import strategy_of
from uptainer.runtimes.kubernetes.targets import Target
from uptainer.runtimes.kubernetes.templates import controlled_by, image_in, selector_text

Json = Mapping[str, Any]

PATIENCE = timedelta(minutes=10)
"""Without any progress, where neither workload nor policy names a deadline: the one that a Deployment has by default."""

_NO_DEADLINE = 2**31 - 1
_REVISION = "deployment.kubernetes.io/revision"
_LINES_OF_LOG = "5"
_NO_LOG = ("unable to retrieve container logs", "failed to try resolving symlinks in path")
"""What a node answers, as if it were the log, when it has cleared the container away, or is about to."""


class RolloutError(PermanentError):
    """It will not end well; the message has the pods' own words."""


@dataclass(frozen=True, slots=True)
class Goal:
    """`image` is what the template has to keep saying, and `deadline` the policy's, for want of progress. On the way `back`
    no more than what was `available` before is asked for, and what is wrong is given more time.
    """

    image: str
    deadline: timedelta | None = None
    back: bool = False
    available: int | None = None


class Standstill:
    """For how long nothing has got on. What was seen before is no progress: a pod that is ready now and then would be
    waited for without end.
    """

    def __init__(self, now: float) -> None:
        self._seen: set[tuple[int, ...]] = set()
        self._since = now

    def lasts(self, progress: tuple[int, ...], now: float) -> float:
        """In seconds."""
        if progress not in self._seen:
            self._seen.add(progress)
            self._since = now
        return now - self._since


class Watch:
    """What is remembered between looks: since when each thing is wrong, with the best words for it, and since when
    nothing has moved; in seconds of the steady clock.
    """

    def __init__(self, cluster: Cluster, target: Target, goal: Goal, clock: Clock) -> None:
        self._cluster = cluster
        self._target = target
        self._goal = goal
        self._clock = clock
        self._since: dict[str, float] = {}
        self._words: dict[str, Symptom] = {}
        self._answered = clock.monotonic()
        self._standstill = Standstill(self._answered)

    def until_complete(self) -> Sight:
        """
        Raises:
            RolloutError: it failed, or made no progress until its deadline.
            SupersededError: somebody else gave the container another image meanwhile.
            TemporaryError: the cluster did not answer for as long as a rollout may stand still.
        """
        begun = self._clock.monotonic()
        while True:
            now = self._clock.monotonic()
            try:
                sight = look(self._cluster, self._target)
            except TemporaryError:
                if now - self._answered > PATIENCE.total_seconds():
                    raise
            else:
                self._answered = now
                self._check_image(sight)
                if is_complete(sight, self._goal.available if self._goal.back else None):
                    return sight
                self._go_on(sight, now)
            self._clock.sleep(_pause(now - begun))

    def _check_image(self, sight: Sight) -> None:
        image = image_in(sight.workload, self._target.container)
        if image != self._goal.image:
            raise superseded(self._target, image)

    def _go_on(self, sight: Sight, now: float) -> None:
        """Raises RolloutError where there is nothing more to wait for."""
        if self._goal.back:
            _free_stuck(self._cluster, self._target, sight)
        still = self._standstill.lasts(progress_of(sight), now)
        found = self._lasting(sight, now)
        if found is not None:
            raise RolloutError(
                f"{self._target.key}: {found.sentence}{_log_of(self._cluster, self._target, found)}"
            )
        patience = _patience(sight, self._goal.deadline).total_seconds()
        if still > patience:
            told = [f"no progress for {patience:g} s", described(sight)]
            told += [each.sentence for each in self._words.values()]
            raise RolloutError(f"{self._target.key}: {'; '.join(told)}")

    def _lasting(self, sight: Sight, now: float) -> Symptom | None:
        """The first symptom that has lasted for longer than it may."""
        seen = {each.key: each for each in symptoms(sight)}
        self._since = {key: self._since.get(key, now) for key in seen}
        self._words = {key: _better(self._words.get(key), each) for key, each in seen.items()}
        for key, each in self._words.items():
            if each.grace is None:
                continue
            grace = max(each.grace, SLOWLY) if self._goal.back else each.grace
            if now - self._since[key] >= grace.total_seconds():
                return each
        return None


def look(cluster: Cluster, target: Target) -> Sight:
    """Raises: NotFoundError where the workload is gone; UnreachableError."""
    workload = cluster.get(target.path)
    query = {"labelSelector": selector_text(workload["spec"]["selector"])}
    pods = cluster.items(PODS.path(target.namespace), query=query)
    controllers = [workload]
    if target.kind == "deployment":
        sets = cluster.items(REPLICASETS.path(target.namespace), query=query)
        controllers = controlled_by(workload, sets)
    label, revision = _revision(cluster, target, workload, controllers, query)
    mine = [pod for each in controllers for pod in controlled_by(each, pods) if Pod.read(pod).live]
    new = [pod for pod in mine if pod["metadata"].get("labels", {}).get(label) == revision]
    old = [pod for pod in mine if pod not in new]
    sight = Sight(target.kind, workload, target.container, new, old, revision)
    if target.kind == "deployment" or len(mine) >= strategy_of(target.kind, workload).pods:
        return sight
    return Sight(
        target.kind, workload, target.container, new, old, revision, _complaints(cluster, target, workload)
    )


def _better(before: Symptom | None, now: Symptom) -> Symptom:
    """What a kubelet says while it waits before it tries again has no cause in it."""
    return before if before is not None and "Back-off" in now.sentence else now


def _free_stuck(cluster: Cluster, target: Target, sight: Sight) -> None:
    """A StatefulSet waits for a pod that will never be ready before it goes on, also on its way back.

    Source: https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#forced-rollback
    """
    if target.kind != "statefulset" or not is_observed(sight.workload):
        return
    for pod in sight.old:
        if not is_ready(pod):
            name, uid = pod["metadata"]["name"], pod["metadata"]["uid"]
            try:
                cluster.delete(PODS.path(target.namespace, name), body={"preconditions": {"uid": uid}})
            except (NotFoundError, BusyError):
                continue  # it is gone, and another of its name may be there


def _revision(
    cluster: Cluster, target: Target, workload: Json, controllers: list[Json], query: Mapping[str, str]
) -> tuple[str, str | None]:
    """By which label the pods of the newest revision are known; None until its controller has made it."""
    if not is_observed(workload):
        return "", None
    match target.kind:
        case "deployment":
            number = _annotation(workload, _REVISION)
            current = [each for each in controllers if _annotation(each, _REVISION) == number]
            return "pod-template-hash", _label(current, "pod-template-hash")
        case "statefulset":
            return "controller-revision-hash", workload["status"].get("updateRevision")
        case _:
            listed = cluster.items(CONTROLLER_REVISIONS.path(target.namespace), query=query)
            revisions = sorted(controlled_by(workload, listed), key=lambda each: int(each["revision"]))
            return "controller-revision-hash", _label(revisions[-1:], "controller-revision-hash")


def _complaints(cluster: Cluster, target: Target, workload: Json) -> tuple[str, ...]:
    """Why its controller could not make a pod since its last change, the last first."""
    times = [str(each.get("time", "")) for each in workload["metadata"].get("managedFields") or ()]
    since = max(times, default="")
    query = {"fieldSelector": f"involvedObject.uid={workload['metadata']['uid']},reason=FailedCreate"}
    events = [
        each
        for each in cluster.items(EVENTS.path(target.namespace), query=query)
        if _last_seen(each) >= since
    ]
    return tuple(str(each.get("message", "")) for each in sorted(events, key=_last_seen, reverse=True))


def _log_of(cluster: Cluster, target: Target, symptom: Symptom) -> str:
    """The last lines of what crashed, where the cluster gives them: they say more than its exit code."""
    if symptom.crashed is None:
        return ""
    pod, container = symptom.crashed
    for previous in ("true", "false"):
        query = {"container": container, "previous": previous, "tailLines": _LINES_OF_LOG}
        try:
            pieces = b"".join(cluster.text(PODS.path(target.namespace, pod, "log"), query=query))
        except UptainerError:
            continue
        said = pieces.decode(errors="replace").strip()
        if said and not said.startswith(_NO_LOG):
            return f"; its log ends with: {said[-500:]}"
    return ""


def _patience(sight: Sight, deadline: timedelta | None) -> timedelta:
    """A Deployment's own deadline counts; its controller is the first to say that it is over, with its reason.

    Elsewhere an old pod that takes its time to end, and a new one that is to be ready for a while, are no standstill.
    """
    spec = sight.workload["spec"]
    ending = int(spec["template"]["spec"].get("terminationGracePeriodSeconds") or 0)
    named = int(spec.get("progressDeadlineSeconds") or _NO_DEADLINE)
    if named != _NO_DEADLINE:
        return timedelta(seconds=named) + SLOWLY
    return (deadline or PATIENCE) + timedelta(seconds=ending + int(spec.get("minReadySeconds") or 0))


def _pause(elapsed: float) -> float:
    return 0.5 if elapsed < SLOWLY.total_seconds() else 2.0


def _annotation(item: Json, name: str) -> str | None:
    return (item["metadata"].get("annotations") or {}).get(name)


def _label(items: list[Json], name: str) -> str | None:
    return next((each["metadata"]["labels"].get(name) for each in items), None)


def _last_seen(event: Json) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or event["metadata"]["creationTimestamp"])
