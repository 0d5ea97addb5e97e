"""What a service and its tasks say, as the values that every part speaks in. Pure.

A service is one workload: it is as well as its tasks are, and it is the service that goes on when they are replaced.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from uptainer.core.enums import ContainerStatus, Health
from uptainer.core.images import ImageFacts
from uptainer.core.platform import Platform
from uptainer.core.workloads import UNKNOWN_IMAGE, ContainerFacts, Mount, Port
from uptainer.runtimes.docker.services import image_of, key_of, pinned, split_image
from uptainer.runtimes.engine import inspection
from uptainer.runtimes.port import WorkloadState

Json = Mapping[str, Any]

STACK = "com.docker.stack.namespace"
KIND, GLOBAL_KIND, JOB_KIND = "service", "global_service", "service_job"
_TO_RUN = frozenset({"running", "ready"})
_BROKEN = frozenset({"failed", "rejected", "orphaned"})


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What of the swarm a service refers to. `image` is None where this node does not hold it."""

    tasks: Sequence[Json]
    networks: Mapping[str, str]
    image: ImageFacts | None
    here: Sequence[Json] = ()
    """The containers of its tasks on this node."""
    platforms: Mapping[str, Platform] = field(default_factory=dict)
    """By node."""


def kind(spec: Json) -> str:
    mode = spec.get("Mode") or {}
    if "ReplicatedJob" in mode or "GlobalJob" in mode:
        return JOB_KIND
    return GLOBAL_KIND if "Global" in mode else KIND


def replicas(spec: Json) -> int | None:
    """How many tasks are asked for; None where their number follows from the nodes."""
    replicated = (spec.get("Mode") or {}).get("Replicated")
    return None if replicated is None else int(replicated.get("Replicas", 1))


def desired(spec: Json, tasks: Iterable[Json]) -> int:
    asked = replicas(spec)
    return len({each.get("NodeID") for each in wanted(tasks)}) if asked is None else asked


def wanted(tasks: Iterable[Json]) -> list[Json]:
    """Those that run or are about to, without those that make way."""
    return [each for each in tasks if each.get("DesiredState") in _TO_RUN]


def running(tasks: Iterable[Json]) -> list[Json]:
    return [each for each in wanted(tasks) if each["Status"]["State"] == "running"]


def failed(service: Json, tasks: Iterable[Json]) -> list[Json]:
    """Tasks of what the service now is that ended by themselves since its last update, the newest first."""
    template = service["Spec"]["TaskTemplate"]
    ends = (template.get("RestartPolicy") or {}).get("Condition", "any") != "any"
    broken = _BROKEN if ends else _BROKEN | {"complete"}
    since = inspection.moment((service.get("UpdateStatus") or {}).get("StartedAt") or service["UpdatedAt"])
    found = [
        each
        for each in tasks
        if each["Status"]["State"] in broken
        and is_current(each, service)
        and (since is None or (made := inspection.moment(each["CreatedAt"])) is None or made >= since)
    ]
    return sorted(found, key=lambda each: str(each["CreatedAt"]), reverse=True)


def is_current(task: Json, service: Json) -> bool:
    """Whether it was made of what the service is now, and not of what it was before an update."""
    task_spec, template = task["Spec"], service["Spec"]["TaskTemplate"]
    return bool(
        task_spec.get("ContainerSpec") == template.get("ContainerSpec")
        and task_spec.get("ForceUpdate", 0) == template.get("ForceUpdate", 0)
    )


def says(task: Json, name: str) -> str:
    """Why a task is not running, in its engine's words."""
    status = task["Status"]
    said = status.get("Err") or f"it ended ({status['State']})"
    place = task.get("Slot") or str(task.get("NodeID", ""))[:12]
    return f"task {name}.{place}: {said}"


def container_facts(service: Json, around: Surroundings) -> ContainerFacts:
    spec, name = service["Spec"], str(service["Spec"]["Name"])
    container, state = spec["TaskTemplate"]["ContainerSpec"], workload_state(service, around)
    labels = {**(container.get("Labels") or {}), **(spec.get("Labels") or {})}
    written, _ = split_image(image_of(spec))
    by_digest = pinned(image_of(spec))
    created = inspection.moment(service["CreatedAt"])
    assert created is not None, "an engine always says when it made a service"
    return ContainerFacts(
        key=key_of(service),
        runtime_id=service["ID"],
        name=name,
        image_reference=written,
        image_id=state.image_id,
        repo_digests=(by_digest.familiar,) if by_digest else _digests(around.image),
        status=state.status,
        health=state.health,
        restart_count=state.restart_count,
        platform=around.image.platform if around.image else _only_platform(spec, around),
        created_at=created,
        started_at=state.started_at,
        workload_kind=kind(spec),
        project=labels.get(STACK),
        service=name.removeprefix(f"{labels[STACK]}_") if STACK in labels else name,
        labels=labels,
        image_labels=around.image.labels if around.image else {},
        mounts=tuple(mounts(container)),
        networks=tuple(sorted(networks(spec, around.networks))),
        ports=tuple(ports(service)),
        has_healthcheck=has_healthcheck(spec, around.image),
        details=_details(service, around),
    )


def workload_state(service: Json, around: Surroundings) -> WorkloadState:
    """`image_id` is the engine's where this node holds the image, else the digest that the spec pins."""
    alive, broken = running(around.tasks), failed(service, around.tasks)
    moments = [inspection.moment(each["Status"]["Timestamp"]) for each in alive]
    ended = broken[0]["Status"] if broken and not alive else None
    return WorkloadState(
        runtime_id=service["ID"],
        status=status(service, around.tasks),
        health=health(service, around),
        restart_count=len(broken),
        exit_code=(ended.get("ContainerStatus") or {}).get("ExitCode") if ended else None,
        image_id=image_id(image_of(service["Spec"]), around),
        started_at=min((each for each in moments if each), default=None),
        addresses=_addresses(around.here),
        health_log="\n".join(trouble(service, around.tasks)),
    )


def image_id(image: str, around: Surroundings) -> str:
    by_digest = pinned(image)
    if around.image:
        return around.image.image_id
    return str(by_digest.digest) if by_digest else f"{UNKNOWN_IMAGE}{image}"


def status(service: Json, tasks: Sequence[Json]) -> ContainerStatus:
    """RUNNING while one task runs: how many of them do is a question of its health."""
    asked = desired(service["Spec"], tasks)
    if running(tasks):
        return ContainerStatus.RUNNING
    if failed(service, tasks):
        return ContainerStatus.RESTARTING
    is_over = any(each["Status"]["State"] == "complete" for each in tasks)
    return ContainerStatus.EXITED if is_over or not asked else ContainerStatus.CREATED


def health(service: Json, around: Surroundings) -> Health:
    """A task runs when its health check has passed, and is ended when it fails."""
    alive, asked = len(running(around.tasks)), desired(service["Spec"], around.tasks)
    is_over = status(service, around.tasks) is ContainerStatus.EXITED
    if alive < asked and not is_over:
        return Health.UNHEALTHY if failed(service, around.tasks) else Health.STARTING
    if not has_healthcheck(service["Spec"], around.image):
        return Health.NONE
    return Health.HEALTHY if alive else Health.UNKNOWN


def trouble(service: Json, tasks: Sequence[Json]) -> list[str]:
    """What keeps tasks from running, each saying once; empty where all do."""
    alive, asked = len(running(tasks)), desired(service["Spec"], tasks)
    if alive >= asked:
        return []
    name = service["Spec"]["Name"]
    waiting = [each for each in wanted(tasks) if each["Status"].get("Err")]
    said = [says(each, name) for each in (*failed(service, tasks), *waiting)]
    return [f"{alive} of {asked} tasks run", *dict.fromkeys(said)]


def has_healthcheck(spec: Json, image: ImageFacts | None) -> bool:
    own = spec["TaskTemplate"]["ContainerSpec"].get("Healthcheck")
    if own and own.get("Test"):
        return inspection.is_check(own)
    return image is not None and image.has_healthcheck


def mounts(container: Json) -> Iterable[Mount]:
    """As asked for: where a volume's data is, each node knows for itself."""
    for each in container.get("Mounts") or ():
        mount_kind, source = each.get("Type", "volume"), each.get("Source") or ""
        is_volume = mount_kind == "volume"
        yield Mount(
            kind=mount_kind,
            name=source if is_volume else "",
            source="" if is_volume else source,
            destination=each["Target"],
            read_only=bool(each.get("ReadOnly")),
            anonymous=is_volume and not source,
        )


def networks(spec: Json, names: Mapping[str, str]) -> Iterable[str]:
    attached = spec["TaskTemplate"].get("Networks") or spec.get("Networks") or ()
    return [names.get(each["Target"], each["Target"]) for each in attached]


def ports(service: Json) -> Iterable[Port]:
    for each in (service.get("Endpoint") or {}).get("Ports") or ():
        yield Port(int(each["TargetPort"]), each.get("Protocol", "tcp"), "", each.get("PublishedPort"))


def _only_platform(spec: Json, around: Surroundings) -> Platform | None:
    """Docker's client notes for which platforms the image is there; else that of the nodes where its tasks run."""
    noted = (spec["TaskTemplate"].get("Placement") or {}).get("Platforms") or ()
    named = {Platform.of(each["OS"], each["Architecture"]) for each in noted if each.get("OS")}
    nodes = {str(each.get("NodeID")) for each in running(around.tasks)}
    found = named or {around.platforms[each] for each in nodes if each in around.platforms}
    return found.pop() if len(found) == 1 else None


def _digests(image: ImageFacts | None) -> tuple[str, ...]:
    return image.repo_digests if image else ()


def _addresses(here: Sequence[Json]) -> dict[str, str]:
    """Of a task on this node, on the bridge; what is on an overlay network is not reached from the machine itself."""
    for each in here:
        bridge = (each["NetworkSettings"].get("Networks") or {}).get("bridge") or {}
        if each["State"].get("Running") and bridge.get("IPAddress"):
            return {"bridge": str(bridge["IPAddress"])}
    return {}


def _details(service: Json, around: Surroundings) -> dict[str, Any]:
    tasks, update = around.tasks, service.get("UpdateStatus") or {}
    counted = {"tasks": desired(service["Spec"], tasks), "tasks_running": len(running(tasks))}
    said = {"update": f"{update['State']}: {update.get('Message', '')}"} if update.get("State") else {}
    troubled = {"trouble": trouble(service, tasks)} if trouble(service, tasks) else {}
    return {**counted, **said, **troubled}
