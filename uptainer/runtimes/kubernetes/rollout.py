"""Where a rollout stands, from one look at it: done, under way, or not going to end well and why. Pure.

A controller gives up on a rollout after minutes, or never. Its pods say within seconds what is wrong, so they are read:
each thing that is wrong is a symptom, with the time for which it may pass by itself.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from uptainer.runtimes.kubernetes.strategies import replicas_of, strategy_of

Json = Mapping[str, Any]

AT_ONCE = timedelta(0)
SHORTLY = timedelta(seconds=10)
SLOWLY = timedelta(seconds=60)
"""A registry may fail to answer once; a kubelet asks it again after ten seconds, then after twenty."""

_HOPELESS = {"InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError", "CrashLoopBackOff"}
_SHORT = {"CreateContainerError", "RunContainerError", "PostStartHookError", "PreCreateHookError"}
_PULLING = {"ErrImagePull", "ImagePullBackOff", "ImageInspectError", "RegistryUnavailable"}
_NO_PROGRAM = (
    "no such file or directory",
    "executable file not found",
    "exec format error",
    "permission denied",
)
_REGISTRY_SAID_NO = (
    "not found",
    "unknown",
    "unauthorized",
    "denied",
    "authentication required",
    "no basic auth",
    "does not exist",
    "no matching manifest",
    "no match for platform",
    "invalid reference",
)


@dataclass(frozen=True, slots=True)
class Symptom:
    """`key` is the same from look to look; `grace` None: told when the time is over, and no reason to end it sooner.

    `crashed` are the pod and the container whose last log lines say more.
    """

    key: str
    sentence: str
    grace: timedelta | None = None
    crashed: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Sight:
    """One look. `new` are the pods of the revision that is rolled out, `old` of those before it, both without those that
    are ending; `complaints` are why the controller could not make a pod, the last first.
    """

    kind: str
    workload: Json
    container: str
    new: Sequence[Json]
    old: Sequence[Json]
    revision: str | None
    complaints: Sequence[str] = ()


def is_complete(sight: Sight, available: int | None = None) -> bool:
    """All pods are of the new revision, and all of them, or at least `available`, are available."""
    workload, status = sight.workload, sight.workload.get("status") or {}
    if not is_observed(workload) or sight.revision is None or sight.old:
        return False
    wanted, updated, ready = _counts(sight.kind, workload, status)
    if available is None and unrest(sight.kind, workload):
        return False
    needed = wanted if available is None else min(available, wanted)
    return updated == wanted and len(sight.new) >= wanted and ready >= needed


def is_observed(workload: Json) -> bool:
    """Whether its controller has seen the specification as it is now."""
    generation = int(workload["metadata"].get("generation") or 0)
    return int((workload.get("status") or {}).get("observedGeneration") or 0) >= generation


def unrest(kind: str, workload: Json) -> str | None:
    """Why it is too early: another change is still on its way."""
    if kind == "cronjob":
        return None
    if not is_observed(workload):
        return "its controller has not taken up an earlier change yet"
    status = workload.get("status") or {}
    match kind:
        case "deployment":
            wanted, updated = replicas_of(workload), int(status.get("updatedReplicas") or 0)
            moving = updated < wanted or int(status.get("replicas") or 0) > updated
        case "statefulset":
            wanted = replicas_of(workload)
            updated = int(status.get("updatedReplicas") or 0)
            moving = status.get("currentRevision") != status.get("updateRevision")
        case _:
            wanted = int(status.get("desiredNumberScheduled") or 0)
            updated = int(status.get("updatedNumberScheduled") or 0)
            moving = updated < wanted
    return f"an earlier rollout is still under way ({updated} of {wanted} pods updated)" if moving else None


def available_of(kind: str, workload: Json) -> int:
    return _counts(kind, workload, workload.get("status") or {})[2]


def progress_of(sight: Sight) -> tuple[int, ...]:
    """What changes while a rollout gets on."""
    _, updated, available = _counts(sight.kind, sight.workload, sight.workload.get("status") or {})
    placed = sum(1 for pod in sight.new if pod["spec"].get("nodeName"))
    return (updated, available, len(sight.new), len(sight.old), placed)


def described(sight: Sight) -> str:
    wanted, updated, available = _counts(sight.kind, sight.workload, sight.workload.get("status") or {})
    return f"{updated} of {wanted} pods are updated, {available} are available"


def symptoms(sight: Sight) -> Iterator[Symptom]:
    """All that is wrong, the worst first where one pod has several."""
    if not is_observed(sight.workload):
        return
    for pod in sight.new:
        yield from _of_containers(pod, sight.container)
        yield from _unschedulable(pod)
    yield from _of_controller(sight)


def pull_symptoms(pod: Json) -> Iterator[Symptom]:
    """Only of what keeps an image from its node."""
    for each in _of_containers(pod, ""):
        if each.key.endswith((" pull", " InvalidImageName", " ErrImageNeverPull")):
            yield each


def _counts(kind: str, workload: Json, status: Json) -> tuple[int, int, int]:
    """Wanted, updated, available. A StatefulSet that is wholly updated does not count its updated pods any more."""
    if kind == "daemonset":
        fields = ("desiredNumberScheduled", "updatedNumberScheduled", "numberAvailable")
        wanted, updated, available = (int(status.get(field) or 0) for field in fields)
        return wanted, updated, available
    wanted = replicas_of(workload)
    updated = int(status.get("updatedReplicas") or 0)
    if kind == "statefulset":
        if status.get("currentRevision") == status.get("updateRevision"):
            updated = int(status.get("replicas") or 0)
        ready = int(status.get("readyReplicas") or 0)
        return wanted, updated, min(ready, int(status.get("availableReplicas", ready) or 0))
    return wanted, updated, int(status.get("availableReplicas") or 0)


def _of_containers(pod: Json, changed: str) -> Iterator[Symptom]:
    status = pod.get("status") or {}
    for kind in ("initContainerStatuses", "containerStatuses"):
        for each in status.get(kind) or ():
            where = f"{pod['metadata']['uid']} {each['name']}"
            about = f"container {each['name']} of pod {pod['metadata']['name']}"
            waiting = (each.get("state") or {}).get("waiting") or {}
            found = _of_waiting(waiting, each)
            log = (pod["metadata"]["name"], each["name"]) if _crashed(each) else None
            if found is not None:
                yield Symptom(f"{where} {found[0]}", f"{about}: {found[1]}", found[2], log)
            elif each["name"] == changed and kind == "containerStatuses" and _crashed(each):
                yield Symptom(f"{where} crash", f"{about}: it {_last_end(each)}", AT_ONCE, log)


def _of_waiting(waiting: Json, status: Json) -> tuple[str, str, timedelta] | None:
    reason, message = str(waiting.get("reason", "")), str(waiting.get("message", "")).strip()
    said = f"{reason}: {message}" if message else reason
    if reason == "CrashLoopBackOff":
        return reason, f"it crashes again and again; the last time it {_last_end(status)}", AT_ONCE
    if reason in _HOPELESS:
        return reason, said, AT_ONCE
    if reason in _SHORT:
        hopeless = any(words in message.lower() for words in _NO_PROGRAM)
        return "start", said, AT_ONCE if hopeless else SHORTLY
    if reason in _PULLING:
        refused = any(words in message.lower() for words in _REGISTRY_SAID_NO)
        return "pull", said, AT_ONCE if refused else SLOWLY
    return None


def _crashed(status: Json) -> bool:
    return int(status.get("restartCount") or 0) > 0


def _last_end(status: Json) -> str:
    ended = (status.get("lastState") or {}).get("terminated") or {}
    reason = ended.get("reason", "")
    told = f" ({reason})" if reason and reason != "Error" else ""
    message = str(ended.get("message", "")).strip()
    said = f": {message[-500:]}" if message else ""
    code = ended.get("exitCode")
    return f"ended with status {code}{told}{said}" if code is not None else "was started again"


def _unschedulable(pod: Json) -> Iterator[Symptom]:
    """A cluster that grows by itself may make room, so it is waited for."""
    for each in (pod.get("status") or {}).get("conditions") or ():
        if each["type"] == "PodScheduled" and each["status"] == "False":
            name = pod["metadata"]["name"]
            yield Symptom(
                f"{pod['metadata']['uid']} schedule",
                f"pod {name} has no node: {each.get('message') or each.get('reason')}",
            )


def _of_controller(sight: Sight) -> Iterator[Symptom]:
    failing = _conditions(sight.workload)
    progressing, failed = failing.get("Progressing", {}), failing.get("ReplicaFailure", {})
    if progressing.get("status") == "False":
        yield Symptom("deadline", f"{progressing.get('reason')}: {progressing.get('message')}", AT_ONCE)
    strategy = strategy_of(sight.kind, sight.workload)
    stuck = sight.kind != "deployment" or not (strategy.unavailable or _is_any_starting(sight.new))
    if failed.get("status") == "True":
        yield Symptom("create", f"no pod could be made: {failed.get('message')}", SHORTLY if stuck else None)
    elif sight.complaints:
        yield Symptom("create", f"no pod could be made: {sight.complaints[0]}", SHORTLY)


def _is_any_starting(pods: Sequence[Json]) -> bool:
    """One that is on its way makes room when it has arrived."""
    return any(not is_ready(pod) for pod in pods)


def is_ready(pod: Json) -> bool:
    return any(
        each["type"] == "Ready" and each["status"] == "True"
        for each in (pod.get("status") or {}).get("conditions") or ()
    )


def _conditions(workload: Json) -> dict[str, Json]:
    return {each["type"]: each for each in (workload.get("status") or {}).get("conditions") or ()}
