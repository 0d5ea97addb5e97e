"""What the engine's JSON says, as the values that every part speaks in. Pure."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from uptainer.core.enums import ContainerStatus, Health
from uptainer.core.images import ImageFacts
from uptainer.core.platform import Platform
from uptainer.core.workloads import ContainerFacts, EngineFacts, Mount, Port
from uptainer.runtimes.engine import names
from uptainer.runtimes.port import WorkloadState

Json = Mapping[str, Any]

_FRACTION = re.compile(r"\.(\d+)")
_NEVER = "0001-01-01T00:00:00"
_HEALTH_LOG_LIMIT = 4096

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
    """Registries that the engine's configuration names one by one; ranges of addresses are not expanded."""
    indexes = (info.get("RegistryConfig") or {}).get("IndexConfigs") or {}
    return tuple(sorted(name for name, index in indexes.items() if not index.get("Secure", True)))


def image_facts(image: Json) -> ImageFacts:
    config = image.get("Config") or {}
    return ImageFacts(
        image_id=image["Id"],
        repo_tags=tuple(image.get("RepoTags") or ()),
        repo_digests=tuple(image.get("RepoDigests") or ()),
        labels=dict(config.get("Labels") or {}),
        platform=Platform.of(image["Os"], image["Architecture"], image.get("Variant") or ""),
        created_at=moment(image.get("Created")),
        size=int(image.get("Size") or 0),
        has_healthcheck=has_healthcheck(config),
    )


def container_facts(container: Json, image: ImageFacts | None, key_of: Mapping[str, str]) -> ContainerFacts:
    """`image` is None where the engine has no such image any more; `key_of` turns container ids into keys."""
    config, state = container["Config"], container["State"]
    labels = config.get("Labels") or {}
    created = moment(container["Created"])
    assert created is not None, "an engine always says when it made a container"
    name = key(container)
    role = names.role(name)
    return ContainerFacts(
        key=name,
        runtime_id=container["Id"],
        name=name,
        image_reference=config["Image"],
        image_id=container["Image"],
        repo_digests=image.repo_digests if image else (),
        status=status(state),
        health=health(container),
        restart_count=int(container.get("RestartCount") or 0),
        platform=image.platform if image else None,
        created_at=created,
        started_at=moment(state.get("StartedAt")),
        project=labels.get(COMPOSE_PROJECT),
        service=labels.get(COMPOSE_SERVICE),
        labels=dict(labels),
        image_labels=image.labels if image else {},
        mounts=tuple(mounts(container)),
        networks=tuple(sorted(container["NetworkSettings"].get("Networks") or {})),
        ports=tuple(ports(container)),
        depends_on=tuple(dependencies(container, key_of)),
        has_healthcheck=has_healthcheck(config),
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
        health=health(container),
        restart_count=int(container.get("RestartCount") or 0),
        exit_code=int(state["ExitCode"]) if ended else None,
        image_id=container["Image"],
        started_at=moment(state.get("StartedAt")),
        addresses=addresses,
        health_log=_health_log(state),
    )


def status(state: Json) -> ContainerStatus:
    """A word that a later engine invents is not known, and no reason to see nothing at all."""
    word = state["Status"]
    return ContainerStatus(word) if word in tuple(ContainerStatus) else ContainerStatus.UNKNOWN


def key(container: Json) -> str:
    return str(container["Name"]).removeprefix("/")


def moment(text: str | None) -> datetime | None:
    """The engine's times have nanoseconds, and year one stands for "never"."""
    if not text or text.startswith(_NEVER):
        return None
    shortened = _FRACTION.sub(lambda found: "." + found.group(1)[:6].ljust(6, "0"), text, count=1)
    return datetime.fromisoformat(shortened)


def health(container: Json) -> Health:
    """UNKNOWN while it does not run: the engine then still shows what it last knew."""
    state = container["State"]
    if not has_healthcheck(container["Config"]):
        return Health.NONE
    status = (state.get("Health") or {}).get("Status", "")
    return Health(status) if state.get("Running") and status in tuple(Health) else Health.UNKNOWN


def has_healthcheck(config: Json) -> bool:
    test = (config.get("Healthcheck") or {}).get("Test") or []
    return bool(test) and test[0] != "NONE"


def mounts(container: Json) -> Iterable[Mount]:
    for each in container.get("Mounts") or ():
        name = each.get("Name") or ""
        yield Mount(
            kind=each["Type"],
            name=name,
            source=each.get("Source") or "",
            destination=each["Destination"],
            read_only=not each.get("RW", True),
            anonymous=each["Type"] == "volume" and names.is_anonymous(name),
        )


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
    own = key(container)
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


def _health_log(state: Json) -> str:
    log = (state.get("Health") or {}).get("Log") or []
    return "\n".join(str(each.get("Output", "")).strip() for each in log)[-_HEALTH_LOG_LIMIT:]
