"""What runs: hosts, and the containers on them, as discovery reports them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from uptainer.core.enums import ConnectionType, ContainerStatus, Health, RuntimeType
from uptainer.core.platform import Platform


@dataclass(frozen=True, slots=True)
class HostAddress:
    """How one engine or cluster is reached.

    `url` is `unix:///path`, `tcp://host:port`, `ssh://user@host:port/path/of.sock` (port and path may be left out),
    `kubeconfig:///path?context=name` (without a path the block holds the file's text), `in-cluster://`, or, with a
    token, `https://host:port`. A secret is never here: `block` names the Prefect block that holds it.

    `namespaces` and `excluded_namespaces` are globs, for a cluster; none means all, and none excluded.
    """

    name: str
    runtime: RuntimeType
    connection: ConnectionType
    url: str
    block: str | None = None
    timeout: float = 30.0
    namespaces: tuple[str, ...] = ()
    excluded_namespaces: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """`id` tells two addresses of one engine apart from two engines.

    `insecure_registries` are those (`host:port`, or a range of addresses, `10.0.0.0/8`) that the engine itself asks
    without TLS or without checking it.
    """

    id: str
    name: str
    version: str
    api_version: str
    platform: Platform
    server_name: str
    cpus: int
    memory: int
    insecure_registries: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Mount:
    """`kind` is volume, bind, tmpfs, npipe or cluster. `name` is the volume's, "" for the others."""

    kind: str
    name: str
    source: str
    destination: str
    read_only: bool
    anonymous: bool = False


@dataclass(frozen=True, slots=True)
class Port:
    """`host_port` is None where the port is only exposed."""

    container_port: int
    protocol: str
    host_ip: str = ""
    host_port: int | None = None


UNKNOWN_IMAGE = "unknown:"
"""What the `image_id` of a service begins with whose image this engine does not hold."""


def is_known_image(image_id: str) -> bool:
    return bool(image_id) and not image_id.startswith(UNKNOWN_IMAGE)


@dataclass(frozen=True, slots=True)
class ContainerFacts:
    """One container as its engine describes it now.

    `key` stays the same over updates and names the container on its host: for Docker and Podman the container's name,
    for the id changes with each replacement; `service/name` for a Swarm service; `namespace/kind/name/container` on
    Kubernetes. `workload` is the key of what is replaced as one with it (its pod, its Deployment), "" for itself.
    """

    key: str
    runtime_id: str
    name: str
    image_reference: str
    image_id: str
    repo_digests: tuple[str, ...]
    status: ContainerStatus
    health: Health
    restart_count: int
    platform: Platform | None
    created_at: datetime
    started_at: datetime | None = None
    workload: str = ""
    workload_kind: str = "container"
    project: str | None = None
    service: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    image_labels: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    networks: tuple[str, ...] = ()
    ports: tuple[Port, ...] = ()
    depends_on: tuple[str, ...] = ()
    has_healthcheck: bool = False
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def workload_key(self) -> str:
        return self.workload or self.key

    @property
    def knows_image(self) -> bool:
        """Whether it is known what image runs: not of a workload of which no instance has started, or none here."""
        return is_known_image(self.image_id)

    @property
    def platforms(self) -> tuple[str, ...]:
        """All that its pods run on, where they are several."""
        return tuple(self.details.get("platforms") or ())
