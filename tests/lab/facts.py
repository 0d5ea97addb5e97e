"""Made-up facts of a fleet, as an engine or a registry would give them, with only what a test cares for said."""

import hashlib
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from uptainer.core.consultations import Consultation, Speaker, Turn, Usage
from uptainer.core.enums import (
    ChangeLevel,
    ConnectionType,
    ContainerStatus,
    Health,
    ModelProvider,
    RecommendationType,
    RuntimeType,
)
from uptainer.core.images import Candidate
from uptainer.core.platform import Platform
from uptainer.core.reference import Reference
from uptainer.core.workloads import ContainerFacts, EngineFacts, HostAddress

NOW = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)
AMD64 = Platform("linux", "amd64")


def digest(seed: object) -> str:
    return f"sha256:{hashlib.sha256(str(seed).encode()).hexdigest()}"


def manifest(seed: object, **given: Any) -> bytes:
    """One image's, as a registry gives it."""
    kind = "application/vnd.docker.container.image.v1+json"
    config = {"mediaType": kind, "digest": digest(seed), "size": 1}
    return json.dumps({"schemaVersion": 2, "config": config, "layers": [], **given}).encode()


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


ASKED = Consultation(
    at=NOW,
    provider=ModelProvider.OLLAMA,
    model="m",
    workload="alpha/web",
    image="docker.io/library/nginx",
    version_before="1.27",
    version_after="1.28",
    instructions="Judge.",
    question="Facts: 日本",
    turns=(Turn(Speaker.MODEL, "maybe"), Turn(Speaker.UPTAINER, "no"), Turn(Speaker.MODEL, "hold")),
    usage=Usage(2, 1.5, 300, 40, Decimal("0.000123")),
    decision=RecommendationType.HOLD,
    risk=80,
)
