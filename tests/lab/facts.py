"""Made-up facts of a fleet, as an engine or a registry would give them, with only what a test cares for said."""

import hashlib
from datetime import UTC, datetime
from typing import Any

from uptainer.core.enums import ChangeLevel, ConnectionType, ContainerStatus, Health, RuntimeType
from uptainer.core.images import Candidate
from uptainer.core.platform import Platform
from uptainer.core.reference import Reference
from uptainer.core.workloads import ContainerFacts, EngineFacts, HostAddress

NOW = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)
AMD64 = Platform("linux", "amd64")


def digest(seed: object) -> str:
    return f"sha256:{hashlib.sha256(str(seed).encode()).hexdigest()}"


def address(name: str = "alpha", **given: Any) -> HostAddress:
    values = {"connection": ConnectionType.UNIX, "url": f"unix:///run/{name}.sock", **given}
    return HostAddress(name, RuntimeType.DOCKER, **values)


def engine(identity: str = "engine-1") -> EngineFacts:
    return EngineFacts(identity, "alpha", "27.0", "1.46", AMD64, "machine", cpus=2, memory=4_000_000_000)


def container(key: str = "web", **given: Any) -> ContainerFacts:
    values: dict[str, Any] = {
        "runtime_id": f"id-of-{key}",
        "name": key,
        "image_reference": "nginx:1.27",
        "image_id": digest("image"),
        "repo_digests": (f"nginx@{digest('running')}",),
        "status": ContainerStatus.RUNNING,
        "health": Health.NONE,
        "restart_count": 0,
        "platform": AMD64,
        "created_at": NOW,
    }
    return ContainerFacts(key=key, **{**values, **given})


def candidate(tag: str = "1.28", **given: Any) -> Candidate:
    values: dict[str, Any] = {"digest": digest(tag), "level": ChangeLevel.MINOR, "version": tag}
    return Candidate(Reference.parse(f"nginx:{tag}"), **{**values, **given})
