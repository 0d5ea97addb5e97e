"""Images that behave in a known way, one after the other, for any engine."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import uuid4

from tests.lab.images import build_image, digest_of, push_image
from tests.lab.registry import Registry

CHECK = "/bin/well"
"""Each image has this program: it says by its exit code whether the workload is well."""

FOREVER = "trap 'exit 0' TERM INT; while :; do sleep 1 & wait $!; done"


class Behaviour(StrEnum):
    """MISSING: the registry has no image of this digest."""

    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    CRASHING = "crashing"
    UNSTARTABLE = "unstartable"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Release:
    """`reference` has a tag and no digest; `version` is what its logs and its data show."""

    reference: str
    digest: str
    version: str
    behaviour: Behaviour

    def __str__(self) -> str:
        return f"the {self.behaviour} {self.version} ({self.digest[:19]})"

    @property
    def greeting(self) -> str:
        """The first line of its log."""
        return f"this is {self.version}"


def push_release(registry: Registry, repository: str, behaviour: Behaviour) -> Release:
    """Each has an image and a digest of its own; to push one more takes a few milliseconds."""
    version = f"v{uuid4().hex[:8]}"
    name = f"{repository}:{version}"
    if behaviour is Behaviour.MISSING:
        digest = digest_of(version.encode())
    else:
        digest = push_image(registry.url, name, build_image(**_options(behaviour, version)))
    return Release(registry.reference(name), digest, version, behaviour)


def _options(behaviour: Behaviour, version: str) -> dict[str, Any]:
    greets = f"echo this is {version}; "
    runs = "exit 7" if behaviour is Behaviour.CRASHING else FOREVER
    command = f"{greets}{_writes(version)}{runs}"
    options: dict[str, Any] = {"cmd": ("/bin/sh", "-c", command), "labels": {"version": version}}
    if behaviour is Behaviour.UNSTARTABLE:
        options["cmd"] = ("/no/such/program", version)
    well = "exit 0"
    if behaviour is Behaviour.UNHEALTHY:
        well = "echo it hurts; exit 1"
        options["healthcheck"] = _FAILING_CHECK
    return {**options, "files": {CHECK: f"#!/bin/sh\n{well}\n"}}


_FAILING_CHECK = {
    "Test": ["CMD", CHECK],
    "Interval": 50_000_000,
    "Timeout": 60_000_000_000,
    "Retries": 1,
}


def _writes(version: str) -> str:
    """Each version writes over what it finds, once: started again after an undo it changes nothing."""
    return f"[ -e /data/{version} ] || {{ echo by {version} >/data/kept; touch /data/{version}; }}; "
