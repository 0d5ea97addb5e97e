"""How one container of a workload is, over all its pods: running, crashing, ready, and on which image. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from uptainer.core.enums import ContainerStatus, Health
from uptainer.core.reference import Reference
from uptainer.runtimes.kubernetes.pods import Instance, Pod, digest_in
from uptainer.runtimes.kubernetes.strategies import replicas_of
from uptainer.runtimes.kubernetes.templates import CRON_JOB, find_container

Json = Mapping[str, Any]

INIT = "init"
SIDECAR = "sidecar"
ORDINARY = "container"
PROBES = ("readinessProbe", "livenessProbe", "startupProbe")


@dataclass(frozen=True, slots=True)
class Observation:
    """`image_id` is the digest of what runs, "" where no pod has told of one yet; `digests` counts the pods on each.

    `exit_code` and `message` are of a container that is not well.
    """

    role: str
    status: ContainerStatus
    health: Health
    image_id: str = ""
    repo_digests: tuple[str, ...] = ()
    digests: Mapping[str, int] = field(default_factory=dict)
    restarts: int = 0
    started_at: datetime | None = None
    exit_code: int | None = None
    message: str = ""
    pods: tuple[Pod, ...] = ()


def observe(kind: str, workload: Json, name: str, pods: Sequence[Pod]) -> Observation:
    """`pods` are all of the workload's. Those of its present template count, and others only where there is none.

    Raises:
        NotFoundError: its template has no such container.
    """
    place, container = find_container(workload, name)
    role = _role(place, container)
    ours = [pod for pod in pods if name in pod.instances and not _is_of_the_past(kind, pod, name, container)]
    seen = _current([pod for pod in ours if pod.live], name, container["image"])
    instances = [pod.instances[name] for pod in seen]
    oldest = _source(ours if kind == CRON_JOB else seen, name, container["image"])
    worst = next((each for each in instances if _is_crashing(each, role)), None)
    return Observation(
        role=role,
        status=_status(kind, workload, seen, name, role),
        health=Health.NONE if kind == CRON_JOB else _health(container, seen, name, role),
        image_id=oldest.digest if oldest else digest_in(container["image"]),
        repo_digests=_repo_digests(oldest, container["image"]),
        digests=Counter(each.digest for each in instances if each.digest),
        restarts=sum(each.restarts for each in instances),
        started_at=min((each.started_at for each in instances if each.started_at), default=None),
        exit_code=worst.exit_code if worst else None,
        message=_message(seen, instances),
        pods=tuple(seen),
    )


def has_probe(container: Json) -> bool:
    return any(container.get(probe) for probe in PROBES)


def _is_of_the_past(kind: str, pod: Pod, name: str, container: Json) -> bool:
    """A job ends on the image that it was begun with, and says nothing of a CronJob that has another one since."""
    return kind == CRON_JOB and pod.instances[name].image != container["image"]


def _role(place: str, container: Json) -> str:
    """An init container that is always restarted runs beside the others: Kubernetes' own sidecar."""
    if place != "initContainers":
        return ORDINARY
    return SIDECAR if container.get("restartPolicy") == "Always" else INIT


def _current(pods: Sequence[Pod], name: str, image: str) -> list[Pod]:
    current = [pod for pod in pods if pod.instances[name].image == image]
    started = [pod for pod in current if pod.instances[name].image_id]
    return started or [pod for pod in pods if pod.instances[name].image_id] or list(pods)


def _source(pods: Sequence[Pod], name: str, image: str) -> Instance | None:
    """Whose digest stands for all: the oldest pod's, so that a tag that moved meanwhile leaves no stale pod unseen. Of
    jobs that are over, the newest.
    """
    told = sorted((pod for pod in pods if pod.instances[name].image_id), key=lambda pod: pod.created_at)
    over = [pod for pod in told if not pod.live and pod.instances[name].image == image]
    live = [pod for pod in told if pod.live]
    chosen = live[0] if live else over[-1] if over else None
    return chosen.instances[name] if chosen else None


def _repo_digests(source: Instance | None, image: str) -> tuple[str, ...]:
    if source is not None:
        return (source.repo_digest,) if source.repo_digest else ()
    asked = digest_in(image)
    return (f"{Reference.parse(image).name}@{asked}",) if asked else ()


def _status(kind: str, workload: Json, pods: Sequence[Pod], name: str, role: str) -> ContainerStatus:
    if workload["metadata"].get("deletionTimestamp"):
        return ContainerStatus.REMOVING
    if kind == CRON_JOB:
        return ContainerStatus.EXITED if workload["spec"].get("suspend") else ContainerStatus.RUNNING
    if _wanted(kind, workload) == 0:
        return ContainerStatus.EXITED
    if any(_is_crashing(pod.instances[name], role) for pod in pods):
        return ContainerStatus.RESTARTING
    runs = any(_runs(pod, name, role) for pod in pods)
    return ContainerStatus.RUNNING if runs else ContainerStatus.CREATED


def _wanted(kind: str, workload: Json) -> int:
    if kind == "daemonset":
        status = workload.get("status") or {}
        return int(status.get("desiredNumberScheduled", 1)) if "observedGeneration" in status else 1
    return replicas_of(workload)


def _runs(pod: Pod, name: str, role: str) -> bool:
    """An init container has done its work when the pod runs."""
    instance = pod.instances[name]
    if role == INIT:
        return pod.phase == "Running" and instance.state == "terminated" and instance.exit_code == 0
    return instance.state == "running"


def _is_crashing(instance: Instance, role: str) -> bool:
    if instance.reason == "CrashLoopBackOff":
        return True
    if instance.state != "terminated":
        return False
    return role != INIT or instance.exit_code != 0


def _health(container: Json, pods: Sequence[Pod], name: str, role: str) -> Health:
    """By its probes; an init container is well when the pod that it prepared is."""
    if not has_probe(container):
        return Health.NONE
    if not pods:
        return Health.UNKNOWN
    found = {_health_of(pod, pod.instances[name], role) for pod in pods}
    for worse in (Health.UNHEALTHY, Health.STARTING):
        if worse in found:
            return worse
    return Health.HEALTHY


def _health_of(pod: Pod, instance: Instance, role: str) -> Health:
    """Not ready is still starting, unless its pod was ready since this container's start."""
    if instance.ready:
        return Health.HEALTHY
    if _is_crashing(instance, role):
        return Health.UNHEALTHY
    turned, started = pod.turned_at, instance.started_at
    lost = turned is not None and started is not None and turned > started and instance.state == "running"
    return Health.UNHEALTHY if lost else Health.STARTING


def _message(pods: Sequence[Pod], instances: Sequence[Instance]) -> str:
    """The nodes' words on what is not well, each once."""
    said = [
        *(f"{each.reason}: {each.message}".strip(": ") for each in instances if each.state == "waiting"),
        *(_last_words(each) for each in instances if each.state == "terminated" and each.exit_code),
        *(pod.complaint for pod in pods),
    ]
    return "\n".join(each for each in dict.fromkeys(said) if each)


def _last_words(instance: Instance) -> str:
    said = f"it ended with status {instance.exit_code} ({instance.reason})"
    return f"{said}: {instance.message}" if instance.message else said
