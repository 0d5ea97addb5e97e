"""What a cluster is as a whole: its identity, its version, and what its nodes add up to."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from uptainer.core.errors import AccessDeniedError, NotFoundError
from uptainer.core.platform import Platform
from uptainer.core.workloads import EngineFacts
from uptainer.runtimes.kubernetes.client import Cluster
from uptainer.runtimes.kubernetes.quantities import quantity
from uptainer.runtimes.kubernetes.resources import NAMESPACES, NODES

Json = Mapping[str, Any]

_ANCHORS = ("kube-system", "default")
"""Namespaces that every cluster has, and that nobody deletes: their UID is as good as the cluster's own."""


@dataclass(frozen=True, slots=True)
class Node:
    """`memory` is in bytes."""

    name: str
    platform: Platform
    cpus: float
    memory: float


def engine_facts(cluster: Cluster) -> EngineFacts:
    """Without the right to see the nodes, how large the cluster is stays 0, which is not known."""
    nodes = read_nodes(cluster)
    platforms = Counter(node.platform for node in nodes)
    version = cluster.version
    return EngineFacts(
        id=_identity(cluster),
        name=cluster.address.name,
        version=str(version["gitVersion"]).removeprefix("v"),
        api_version=f"{version['major']}.{version['minor']}",
        platform=platforms.most_common(1)[0][0] if platforms else server_platform(cluster),
        server_name=urlsplit(cluster.connection.url).netloc,
        cpus=int(sum(node.cpus for node in nodes)),
        memory=int(sum(node.memory for node in nodes)),
    )


def server_platform(cluster: Cluster) -> Platform:
    """That of the API server, which is most often that of the nodes."""
    return Platform.parse(str(cluster.version.get("platform") or "linux/amd64"))


def read_nodes(cluster: Cluster) -> list[Node]:
    """None where we may not see them: that takes a right in the whole cluster."""
    try:
        return cluster.collect(NODES.path(), _read)
    except AccessDeniedError:
        return []


def _read(node: Json) -> Node | None:
    """None for one that has not reported yet."""
    status = node.get("status") or {}
    info, capacity = status.get("nodeInfo") or {}, status.get("capacity") or {}
    if not info.get("operatingSystem"):
        return None
    return Node(
        name=node["metadata"]["name"],
        platform=Platform.of(info["operatingSystem"], info["architecture"]),
        cpus=float(quantity(capacity.get("cpu", "0"))),
        memory=float(quantity(capacity.get("memory", "0"))),
    )


def _identity(cluster: Cluster) -> str:
    """By a namespace's UID; where we may not see one, by the address and whom we trust there."""
    for name in _ANCHORS:
        try:
            return str(cluster.get(NAMESPACES.path(name=name))["metadata"]["uid"])
        except (AccessDeniedError, NotFoundError):
            continue
    authority = cluster.connection.configuration.ssl_ca_cert
    trusted = Path(authority).read_bytes() if authority else b""
    return hashlib.sha256(cluster.connection.url.encode() + b"\0" + trusted).hexdigest()
