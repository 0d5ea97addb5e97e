"""A clean swarm, the runtime on it, and services with images that behave in a known way."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.lab.images import SLEEP, make_image
from tests.lab.registry import Registry
from tests.lab.replacing import open_runtime
from tests.lab.swarm import SwarmNode
from uptainer.runtimes.port import Runtime

CHECK_FAILS = {
    "Test": ["CMD", "/bin/sh", "-c", "echo it hurts; exit 1"],
    "Interval": 50_000_000,
    "Timeout": 60_000_000_000,
    "Retries": 1,
}
IMAGES: Mapping[str, Mapping[str, Any]] = {
    "1": {"labels": {"version": "1"}},
    "2": {"labels": {"version": "2"}},
    "elsewhere-1": {"labels": {"version": "elsewhere, first"}},
    "elsewhere-2": {"labels": {"version": "elsewhere, second"}},
    "crashing": {"cmd": ["/bin/sh", "-c", "exit 7"]},
    "unstartable": {"cmd": ["/no/such/program"]},
    "unhealthy": {"cmd": SLEEP, "healthcheck": CHECK_FAILS},
}


class Shelf:
    """The images, by tag: `reference` as a person writes it, `pinned` as Docker's client writes it into a spec."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self.digests = {
            tag: make_image(None, registry.reference(f"swarm/app:{tag}"), **options)
            for tag, options in IMAGES.items()
        }
        self.digests["missing"] = "sha256:" + "a" * 64

    def reference(self, tag: str) -> str:
        return self._registry.reference(f"swarm/app:{tag}")

    def pinned(self, tag: str) -> str:
        return f"{self.reference(tag)}@{self.digests[tag]}"


@pytest.fixture(scope="session")
def shelf(registry: Registry) -> Shelf:
    return Shelf(registry)


@pytest.fixture
def swarm(swarm_engine: SwarmNode) -> Iterator[SwarmNode]:
    """The manager, with nothing in it but its images."""
    swarm_engine.clear()
    yield swarm_engine
    swarm_engine.clear()


@pytest.fixture
def runtime(swarm: SwarmNode) -> Iterator[Runtime]:
    with open_runtime(swarm) as opened:
        yield opened
