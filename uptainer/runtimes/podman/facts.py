"""What libpod's JSON says, as the values that every part speaks in. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from uptainer.core.enums import ContainerStatus
from uptainer.core.images import ImageFacts
from uptainer.core.platform import Platform
from uptainer.core.workloads import ContainerFacts, EngineFacts, Port
from uptainer.runtimes.engine import inspection, names
from uptainer.runtimes.podman import units
from uptainer.runtimes.port import WorkloadState

Json = Mapping[str, Any]

POD = "pod"
COMPOSE_PROJECT, COMPOSE_SERVICE = "com.docker.compose.project", "com.docker.compose.service"
_DIGEST = "sha256:"
_STATUSES = {
    "configured": ContainerStatus.CREATED,
    "initialized": ContainerStatus.CREATED,
    "stopped": ContainerStatus.EXITED,
    "stopping": ContainerStatus.RUNNING,
}
"""Podman's words that are not Docker's."""


def engine_facts(info: Json, api_version: str) -> EngineFacts:
    """Each user's Podman has a storage of its own, and so is an engine of its own."""
    host, store = info["host"], info["store"]
    os, _, architecture = str(info["version"]["OsArch"]).partition("/")
    return EngineFacts(
        id=f"podman {host['hostname']} {store['graphRoot']}",
        name=host["hostname"],
        version=info["version"]["Version"],
        api_version=api_version,
        platform=Platform.of(os, architecture),
        server_name=host["hostname"],
        cpus=int(host["cpus"]),
        memory=int(host["memTotal"]),
        insecure_registries=tuple(sorted(_insecure(info))),
    )


def _insecure(info: Json) -> Iterator[str]:
    for name, registry in (info.get("registries") or {}).items():
        if isinstance(registry, Mapping) and registry.get("Insecure"):
            yield str(registry.get("Location") or name)


def image_facts(image: Json) -> ImageFacts:
    config = image.get("Config") or {}
    return ImageFacts(
        image_id=full_id(image["Id"]),
        repo_tags=tuple(image.get("RepoTags") or ()),
        repo_digests=tuple(image.get("RepoDigests") or ()),
        labels=dict(config.get("Labels") or {}),
        platform=Platform.of(image["Os"], image["Architecture"], image.get("Variant") or ""),
        created_at=inspection.moment(image.get("Created")),
        size=int(image.get("Size") or 0),
        has_healthcheck=inspection.is_check(image.get("HealthCheck") or config.get("Healthcheck")),
    )


def full_id(image_id: str) -> str:
    """As registries and Docker write it: Podman leaves the algorithm out."""
    return image_id if image_id.startswith(_DIGEST) else _DIGEST + image_id


def container_facts(
    container: Json, image: ImageFacts | None, pods: Mapping[str, str], keys: Mapping[str, str]
) -> ContainerFacts:
    """`image` is None where it is gone; `pods` and `keys` are from the id of each pod and container to its name."""
    config, state = container["Config"], container["State"]
    labels = config.get("Labels") or {}
    created = inspection.moment(container["Created"])
    assert created is not None, "Podman always says when it made a container"
    role = names.role(inspection.key(container))
    pod = pods.get(container.get("Pod") or "")
    return ContainerFacts(
        key=inspection.key(container),
        runtime_id=container["Id"],
        name=inspection.key(container),
        image_reference=container.get("ImageName") or config["Image"],
        image_id=full_id(container["Image"]),
        repo_digests=image.repo_digests if image else (),
        status=status(state),
        health=inspection.health(container),
        restart_count=int(container.get("RestartCount") or 0),
        platform=image.platform if image else None,
        created_at=created,
        started_at=inspection.moment(state.get("StartedAt")),
        workload=f"{POD}/{pod}" if pod else "",
        workload_kind=POD if pod else "container",
        project=labels.get(COMPOSE_PROJECT),
        service=labels.get(COMPOSE_SERVICE),
        labels=dict(labels),
        image_labels=image.labels if image else {},
        mounts=tuple(inspection.mounts(container)),
        networks=tuple(sorted(container["NetworkSettings"].get("Networks") or {})),
        ports=tuple(ports(container)),
        depends_on=tuple(dependencies(container, keys)),
        has_healthcheck=inspection.is_check(config.get("Healthcheck")),
        details={
            **({"role": role.value} if role else {}),
            **({"unit": unit} if (unit := units.unit_of(labels)) else {}),
        },
    )


def dependencies(container: Json, keys: Mapping[str, str]) -> Iterator[str]:
    """Keys of the containers that it needs: shared namespaces, `--requires` and `--volumes-from`."""
    sources = (str(each).split(":")[0] for each in container["HostConfig"].get("VolumesFrom") or ())
    wanted = [*(container.get("Dependencies") or ()), *sources]
    names_of = dict(keys) | {name: name for name in keys.values()}
    yield from dict.fromkeys(names_of[each] for each in wanted if each in names_of)


def workload_state(container: Json) -> WorkloadState:
    state = container["State"]
    found = status(state)
    return WorkloadState(
        runtime_id=container["Id"],
        status=found,
        health=inspection.health(container),
        restart_count=int(container.get("RestartCount") or 0),
        exit_code=int(state["ExitCode"]) if found is ContainerStatus.EXITED else None,
        image_id=full_id(container["Image"]),
        started_at=inspection.moment(state.get("StartedAt")),
        addresses=dict(_addresses(container)),
        health_log=inspection.health_log(state),
    )


def _addresses(container: Json) -> Iterator[tuple[str, str]]:
    for network, endpoint in (container["NetworkSettings"].get("Networks") or {}).items():
        if endpoint.get("IPAddress"):
            yield network, endpoint["IPAddress"]


def status(state: Json) -> ContainerStatus:
    word = state["Status"]
    if word in tuple(ContainerStatus):
        return ContainerStatus(word)
    return _STATUSES.get(word, ContainerStatus.UNKNOWN)


def ports(container: Json) -> Iterator[Port]:
    """Exposed ones have no host port."""
    published = container["HostConfig"].get("PortBindings") or {}
    for port in sorted({*published, *(container["NetworkSettings"].get("Ports") or {})}):
        number, _, protocol = port.partition("/")
        if not published.get(port):
            yield Port(int(number), protocol or "tcp")
        for binding in published.get(port) or ():
            yield Port(int(number), protocol or "tcp", binding.get("HostIp") or "", int(binding["HostPort"]))
