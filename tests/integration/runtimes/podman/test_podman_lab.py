"""The lab's Podman: it comes up as root and as a user, does what the tests need of it, and leaves nothing."""

import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.lab.images import make_image
from tests.lab.podman import PodmanEngine
from tests.lab.registry import Registry
from tests.lab.room import Room, wait_until

HEALTHY = {"Test": ["CMD", "/bin/true"], "Interval": 1_000_000_000, "Retries": 2}
WEB: dict[str, Any] = {
    "cmd": ["httpd", "-f", "-p", "80", "-h", "/www"],
    "files": {"/www/index.html": "hello"},
}


@pytest.mark.parametrize("name", ["podman_engine", "rootless_podman_engine"])
def test_a_container_publishes_a_port_and_its_health_check_runs(
    name: str, registry: Registry, request: pytest.FixtureRequest
) -> None:
    engine: PodmanEngine = request.getfixturevalue(name)
    engine.clear()
    reference = registry.reference("lab/web:1")
    make_image(engine, reference, healthcheck=HEALTHY, **WEB)
    engine.podman("run", "--detach", "--name", "web", "--publish", "127.0.0.1::80", reference)
    port = engine.podman("port", "web", "80").rpartition(":")[2]
    wait_until(lambda: _said(f"http://127.0.0.1:{port}/") == "hello", what="the page was not served")

    def is_healthy() -> bool:
        return engine.podman("inspect", "--format", "{{.State.Health.Status}}", "web") == "healthy"

    wait_until(is_healthy, what="the health check did not pass", pause=0.3)
    engine.clear()


def _said(url: str) -> str:
    """A container runs some moments before its program listens."""
    with suppress(httpx.TransportError):
        return httpx.get(url).text
    return ""


def test_containers_outlive_the_service_and_a_closed_engine_leaves_nothing(
    room: Room, registry: Registry
) -> None:
    engine = PodmanEngine(room)
    reference = registry.reference("lab/idle:1")
    make_image(engine, reference)
    engine.podman("run", "--detach", "--name", "idle", reference)
    engine.kill()
    engine.start()
    assert engine.podman("inspect", "--format", "{{.State.Status}}", "idle") == "running"
    engine.close()
    mounts = Path("/proc/self/mountinfo").read_text()
    processes = subprocess.run(["ps", "axww"], capture_output=True, text=True, check=True).stdout
    assert not [
        line for line in (mounts + processes).splitlines() if f"{engine.directory}/root/overlay-c" in line
    ]
