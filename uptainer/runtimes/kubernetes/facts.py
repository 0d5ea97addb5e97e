"""What the API server's JSON says, as the values that every part speaks in. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from uptainer.core.platform import Platform
from uptainer.core.workloads import ContainerFacts, Mount, Port
from uptainer.runtimes.kubernetes.keys import Key
from uptainer.runtimes.kubernetes.labels import labels_of
from uptainer.runtimes.kubernetes.observation import Observation, has_probe, observe
from uptainer.runtimes.kubernetes.ownership import owner_of
from uptainer.runtimes.kubernetes.pins import reference_of
from uptainer.runtimes.kubernetes.pods import Pod
from uptainer.runtimes.kubernetes.templates import CRON_JOB, containers_of, find_container, template_of
from uptainer.runtimes.port import WorkloadState

Json = Mapping[str, Any]

_LOG_LIMIT = 4096
_VOLUMES = {"persistentVolumeClaim": "claim", "hostPath": "bind", "emptyDir": "tmpfs", "ephemeral": "tmpfs"}
"""Every other kind of volume is called by its own name: it is filled by the cluster, and holds no data of the pod's."""


def workload_facts(
    kind: str, workload: Json, pods: Sequence[Pod], platforms: Mapping[str, Platform]
) -> Iterator[ContainerFacts]:
    """One for each container of the template; `platforms` are those of the nodes that are known, by name."""
    for _, container in containers_of(workload):
        yield _container_facts(
            key_of(kind, workload, container["name"]), workload, container, pods, platforms
        )


def key_of(kind: str, workload: Json, container: str = "") -> Key:
    metadata = workload["metadata"]
    return Key(metadata["namespace"], kind, metadata["name"], container)


def workload_state(key: Key, workload: Json, pods: Sequence[Pod]) -> WorkloadState:
    """A start is told of one pod alone: among several, and of a job, another start is no restart.

    Raises:
        NotFoundError: the workload has no such container.
    """
    seen = observe(key.kind, workload, key.container, pods)
    return WorkloadState(
        runtime_id=workload["metadata"]["uid"],
        status=seen.status,
        health=seen.health,
        restart_count=seen.restarts,
        exit_code=seen.exit_code,
        image_id=seen.image_id,
        started_at=seen.started_at if len(seen.pods) == 1 and key.kind != CRON_JOB else None,
        addresses={pod.name: pod.address for pod in seen.pods if pod.address},
        health_log=seen.message[-_LOG_LIMIT:],
    )


def _container_facts(
    key: Key, workload: Json, container: Json, pods: Sequence[Pod], platforms: Mapping[str, Platform]
) -> ContainerFacts:
    seen = observe(key.kind, workload, key.container, pods)
    return ContainerFacts(
        key=str(key),
        runtime_id=workload["metadata"]["uid"],
        name=str(key),
        image_reference=reference_of(workload, key.container, container["image"]),
        image_id=seen.image_id,
        repo_digests=seen.repo_digests,
        status=seen.status,
        health=seen.health,
        restart_count=seen.restarts,
        platform=_platform(seen, platforms),
        created_at=datetime.fromisoformat(workload["metadata"]["creationTimestamp"]),
        started_at=seen.started_at,
        workload=str(key.workload),
        workload_kind=key.kind,
        project=key.namespace,
        service=key.name,
        labels=labels_of(workload, key.container),
        mounts=tuple(_mounts(workload, container)),
        networks=("host",) if template_of(workload)["spec"].get("hostNetwork") else (),
        ports=tuple(_ports(container)),
        has_healthcheck=has_probe(container) and key.kind != CRON_JOB,
        details=_details(key, workload, seen, platforms),
    )


def _platforms(seen: Observation, platforms: Mapping[str, Platform]) -> list[str]:
    """Of all nodes that it runs on: a newer image has to be there for each."""
    return sorted({str(platforms[pod.node]) for pod in seen.pods if pod.node in platforms})


def _platform(seen: Observation, platforms: Mapping[str, Platform]) -> Platform | None:
    """That of most of its pods; None where no node has told."""
    found = Counter(platforms[pod.node] for pod in seen.pods if pod.node in platforms)
    return found.most_common(1)[0][0] if found else None


def _mounts(workload: Json, container: Json) -> Iterator[Mount]:
    """A claim that a StatefulSet makes for each of its pods is named with `*` in place of the pod's number."""
    volumes = {each["name"]: each for each in template_of(workload)["spec"].get("volumes") or ()}
    made = {each["metadata"]["name"] for each in workload["spec"].get("volumeClaimTemplates") or ()}
    for mount in container.get("volumeMounts") or ():
        name = mount["name"]
        claim = f"{name}-{workload['metadata']['name']}-*" if name in made else ""
        kind, source = ("claim", claim) if claim else _volume(volumes.get(name) or {})
        yield Mount(
            kind=kind,
            name=source if kind == "claim" else "",
            source=source,
            destination=mount["mountPath"],
            read_only=bool(mount.get("readOnly")),
        )


def _volume(volume: Json) -> tuple[str, str]:
    kind = next((each for each in volume if each != "name"), "unknown")
    content = volume.get(kind) or {}
    if kind == "persistentVolumeClaim":
        return "claim", content["claimName"]
    if kind == "hostPath":
        return "bind", content["path"]
    source = content.get("name") or content.get("secretName") or ""
    return _VOLUMES.get(kind, kind.lower()), source


def _ports(container: Json) -> Iterator[Port]:
    """As they are exposed: a port of a node is no port of the machine that looks from here."""
    for each in container.get("ports") or ():
        yield Port(int(each["containerPort"]), str(each.get("protocol") or "TCP").lower())


def _pull_secrets(pod_spec: Json, seen: Observation) -> dict[str, Any]:
    """Which secrets its node pulls with. Without a pod it is not known whether its service account adds some."""
    asked = {each["name"] for each in pod_spec.get("imagePullSecrets") or ()}
    used = {name for pod in seen.pods for name in pod.pull_secrets}
    known = {"pull_secrets": sorted(asked | used)}
    if asked or seen.pods:
        return known
    return {**known, "service_account": pod_spec.get("serviceAccountName") or "default"}


def _details(
    key: Key, workload: Json, seen: Observation, platforms: Mapping[str, Platform]
) -> dict[str, Any]:
    """What a person, a rule or a lookup needs besides; nothing that changes from one look to the next by itself."""
    spec, pod_spec = workload["spec"], template_of(workload)["spec"]
    owner = owner_of(workload)
    found = _platforms(seen, platforms)
    details: dict[str, Any] = {
        "platforms": found if len(found) > 1 else None,
        "container_role": seen.role,
        **_pull_secrets(pod_spec, seen),
        "owner": owner.as_details() if owner else None,
        "digests": dict(seen.digests) if len(seen.digests) > 1 else None,
        "deployed": find_container(workload, key.container)[1]["image"],
        "rollout_paused": spec.get("paused") or None,
        "schedule": spec.get("schedule") if key.kind == CRON_JOB else None,
    }
    return {name: value for name, value in details.items() if value is not None}
