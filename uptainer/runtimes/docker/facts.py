"""What the engine's JSON says, as the values that every part speaks in. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from uptainer.core.enums import ContainerStatus
from uptainer.core.images import ImageFacts
from uptainer.core.platform import Platform
from uptainer.core.workloads import ContainerFacts, EngineFacts, Port
from uptainer.runtimes.engine import inspection, names
from uptainer.runtimes.port import WorkloadState

Json = Mapping[str, Any]


COMPOSE_PROJECT = "com.docker.compose.project"
COMPOSE_SERVICE = "com.docker.compose.service"
COMPOSE_DEPENDS_ON = "com.docker.compose.depends_on"


def engine_facts(info: Json, version: Json) -> EngineFacts:
    """The engine's id alone is not enough: before Docker 23 it is the machine's, and a cloned machine keeps it."""
    return EngineFacts(
        id=f"{info['ID']} {info['Name']} {info['DockerRootDir']}",
        name=info["Name"],
        version=version["Version"],
        api_version=version["ApiVersion"],
        platform=Platform.of(version["Os"], version["Arch"]),
        server_name=info["Name"],
        cpus=int(info["NCPU"]),
        memory=int(info["MemTotal"]),
        insecure_registries=_insecure(info),
    )


def _insecure(info: Json) -> tuple[str, ...]:
    """Those that the engine's configuration names one by one, and its ranges of addresses."""
    config = info.get("RegistryConfig") or {}
    indexes = config.get("IndexConfigs") or {}
    named = {name for name, index in indexes.items() if not index.get("Secure", True)}
    return tuple(sorted(named | set(config.get("InsecureRegistryCIDRs") or ())))


def image_facts(image: Json) -> ImageFacts:
    config = image.get("Config") or {}
    return ImageFacts(
        image_id=image["Id"],
        repo_tags=tuple(image.get("RepoTags") or ()),
        repo_digests=tuple(image.get("RepoDigests") or ()),
        labels=dict(config.get("Labels") or {}),
        platform=Platform.of(image["Os"], image["Architecture"], image.get("Variant") or ""),
        created_at=inspection.moment(image.get("Created")),
        size=int(image.get("Size") or 0),
        has_healthcheck=inspection.is_check(config.get("Healthcheck")),
    )


def container_facts(container: Json, image: ImageFacts | None, key_of: Mapping[str, str]) -> ContainerFacts:
    """`image` is None where the engine has no such image any more; `key_of` turns container ids into keys."""
    config, state = container["Config"], container["State"]
    labels = config.get("Labels") or {}
    created = inspection.moment(container["Created"])
    assert created is not None, "an engine always says when it made a container"
    name = inspection.key(container)
    role = names.role(name)
    return ContainerFacts(
        key=name,
        runtime_id=container["Id"],
        name=name,
        image_reference=config["Image"],
        image_id=container["Image"],
        repo_digests=image.repo_digests if image else (),
        status=status(state),
        health=inspection.health(container),
        restart_count=int(container.get("RestartCount") or 0),
        platform=image.platform if image else None,
        created_at=created,
        started_at=inspection.moment(state.get("StartedAt")),
        project=labels.get(COMPOSE_PROJECT),
        service=labels.get(COMPOSE_SERVICE),
        labels=dict(labels),
        image_labels=image.labels if image else {},
        mounts=tuple(inspection.mounts(container)),
        networks=tuple(sorted(container["NetworkSettings"].get("Networks") or {})),
        ports=tuple(ports(container)),
        depends_on=tuple(dependencies(container, key_of)),
        has_healthcheck=inspection.is_check(config.get("Healthcheck")),
        details={"role": role.value} if role else {},
    )


def workload_state(container: Json) -> WorkloadState:
    state = container["State"]
    ended = state["Status"] in ("exited", "dead", "removing")
    addresses = {
        network: endpoint["IPAddress"]
        for network, endpoint in (container["NetworkSettings"].get("Networks") or {}).items()
        if endpoint.get("IPAddress")
    }
    return WorkloadState(
        runtime_id=container["Id"],
        status=status(state),
        health=inspection.health(container),
        restart_count=int(container.get("RestartCount") or 0),
        exit_code=int(state["ExitCode"]) if ended else None,
        image_id=container["Image"],
        started_at=inspection.moment(state.get("StartedAt")),
        addresses=addresses,
        health_log=inspection.health_log(state),
    )


def status(state: Json) -> ContainerStatus:
    """A word that a later engine invents is not known, and no reason to see nothing at all."""
    word = state["Status"]
    return ContainerStatus(word) if word in tuple(ContainerStatus) else ContainerStatus.UNKNOWN


def ports(container: Json) -> Iterable[Port]:
    """Published as configured where it does not run, else as bound; exposed ones have no host port."""
    bound = container["NetworkSettings"].get("Ports") or {}
    asked = container["HostConfig"].get("PortBindings") or {}
    exposed = container["Config"].get("ExposedPorts") or {}
    for port in sorted({*bound, *asked, *exposed}):
        number, _, protocol = port.partition("/")
        bindings = bound.get(port) or asked.get(port) or ()
        if not bindings:
            yield Port(int(number), protocol or "tcp")
        for binding in bindings:
            host_port = str(binding.get("HostPort") or "")
            yield Port(
                int(number),
                protocol or "tcp",
                binding.get("HostIp") or "",
                int(host_port) if host_port.isdigit() and host_port != "0" else None,
            )


def dependencies(container: Json, key_of: Mapping[str, str]) -> Iterable[str]:
    """Keys of the containers that it needs: shared namespaces, volumes-from, links, and compose's own label.

    Compose names services; the keys of a service's containers are the caller's `key_of` for `project/service`.
    """
    host = container["HostConfig"]
    wanted = [
        mode.removeprefix("container:")
        for mode in (host.get("NetworkMode"), host.get("IpcMode"), host.get("PidMode"))
        if mode and mode.startswith("container:")
    ]
    wanted += [str(each).split(":")[0] for each in host.get("VolumesFrom") or ()]
    wanted += [link_target(each) for each in host.get("Links") or ()]
    labels = container["Config"].get("Labels") or {}
    project = labels.get(COMPOSE_PROJECT, "")
    wanted += [f"{project}/{each.service}" for each in compose_dependencies(labels)]
    own = inspection.key(container)
    found = (key_of.get(each, "" if "/" in each else each) for each in wanted)
    return [each for each in dict.fromkeys(found) if each and each != own]


def link_target(link: str) -> str:
    """`/db:/web/database` (as the engine shows it) and `db:database` both point at `db`."""
    return link.split(":", 1)[0].removeprefix("/")


class ComposeDependency:
    """One item of compose's label: `service:condition:restart`."""

    __slots__ = ("restart", "service")

    def __init__(self, item: str) -> None:
        service, _, rest = item.strip().partition(":")
        self.service = service
        self.restart = rest.rpartition(":")[2] == "true"


def compose_dependencies(labels: Mapping[str, str]) -> list[ComposeDependency]:
    text = labels.get(COMPOSE_DEPENDS_ON) or ""
    return [ComposeDependency(item) for item in text.split(",") if item.strip()]
