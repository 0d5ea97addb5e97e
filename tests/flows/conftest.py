from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.lab.docker import DockerEngine
from tests.lab.registry import Registry
from tests.lab.room import Room, free_port
from tests.lab.shop import STUBBORN, Shop
from tests.lab.system import System, running_system

DAY_AFTER_TOMORROW = f"{datetime.now(UTC) + timedelta(days=2):%a} 22:00-23:00 UTC"
PROJECT = "caches"
ASKED = ("web-1", "refused-1", "late-1", "skipped-1")


@pytest.fixture(scope="module")
def shop(docker_engine: DockerEngine, registry: Registry) -> Iterator[Shop]:
    """The containers of the whole module, each for one test, so that one check proposes all of their updates."""
    docker_engine.clear()
    shop = Shop(docker_engine, registry)
    shop.push("nginx:1.27.2", pull=True)
    shop.push("nginx:1.27.4", fixed=True)
    shop.push("redis:7.2.4", pull=True)
    shop.push("redis:7.2.5", fixed=True)
    for workload in ASKED:
        shop.run(workload, "nginx:1.27.2", volumes=[f"{workload}:/data"])
    shop.run("cache-1", "redis:7.2.4", labels={"com.docker.compose.project": PROJECT})
    shop.run(
        "auto-1", "nginx:1.27.2", labels={"uptainer.mode": "auto", "uptainer.depends-on": "needed-by-auto-1"}
    )
    shop.run("needed-by-auto-1", "nginx:1.27.2", labels={"uptainer.mode": "auto"})
    shop.run("shut-1", "nginx:1.27.2", labels={"uptainer.windows": DAY_AFTER_TOMORROW})
    shop.run("stubborn-1", "nginx:1.27.2", command=STUBBORN, labels={"uptainer.stop-timeout": "30s"})
    yield shop
    docker_engine.clear()


@pytest.fixture(scope="module")
def webhook_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def system(room: Room, shop: Shop, trivy_binary: Path, webhook_port: int) -> Iterator[System]:
    with running_system(room, shop.engine, trivy_binary, webhook_port=webhook_port) as system:
        yield system


@pytest.fixture
def telling_shop(system: System, shop: Shop, room: Room, webhook_port: int) -> Iterator[Shop]:
    """A shop whose registry tells the running system of every push, as a person has set it up by command."""
    added = system.console.run(
        "webhooks", "add", "lab", "--kind", "distribution", UPTAINER_WEBHOOK_PORT=str(webhook_port)
    )
    address, secret = (line.split()[-1] for line in added.stdout.splitlines()[:2])
    registry = Registry(room, told=(address, secret))
    yield Shop(shop.engine, registry)
    registry.close()
