"""The fleet's rounds on a real swarm: its services are found, asked for, updated and kept as any other workload."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.fleet.house import ANN, House
from tests.lab.registry import Registry
from tests.lab.swarm import HALF_A_SECOND, SwarmNode
from uptainer.core.enums import CheckResult, ContainerStatus, UpdateStatus
from uptainer.core.errors import UnsupportedError
from uptainer.fleet.operating import Operation, Order, operate
from uptainer.store import schema
from uptainer.store.database import Database

KEY = "service/web"


@pytest.fixture
def house(swarm_engine: SwarmNode, registry: Registry, postgres_url: str, tmp_path: Path) -> Iterator[House]:
    """A swarm of one node as the host `lab`, a real registry, and a database of its own."""
    swarm_engine.clear()
    schema.upgrade(postgres_url)
    database = Database(postgres_url)
    yield House(swarm_engine, registry, database, tmp_path)
    database.dispose()
    swarm_engine.clear()


def _deploy(house: House, swarm: SwarmNode, tag: str = "1.0.0", **options: Any) -> str:
    """As `docker service create` does it: with the digest."""
    image = f"{house.registry.reference(f'{house.name}:{tag}')}@{house.image(tag)}"
    swarm.create_service("web", image, **options)
    if "ReplicatedJob" not in options.get("Mode", {}):
        swarm.await_running("web")
    return image


def _image(swarm: SwarmNode) -> str:
    return str(swarm.service("web")["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"])


def test_an_update_of_a_service_is_found_asked_for_applied_and_not_offered_again(
    house: House, swarm_engine: SwarmNode
) -> None:
    house.policy()
    _deploy(house, swarm_engine)
    digest = house.image("1.1.0")
    (made,) = house.round().proposed
    house.approve(made.id)
    outcome = house.apply(made.id)
    assert outcome.status is UpdateStatus.SUCCEEDED, outcome.reason
    assert _image(swarm_engine) == f"{house.registry.reference(f'{house.name}:1.1.0')}@{digest}"
    assert house.round().proposed == ()
    check = house.view(KEY).check
    assert check is not None
    assert check.result is CheckResult.UP_TO_DATE


def test_an_update_of_a_service_that_crashes_is_rolled_back_by_the_swarm(
    house: House, swarm_engine: SwarmNode
) -> None:
    house.policy()
    config = {"Parallelism": 1, "Monitor": 60 * HALF_A_SECOND, "FailureAction": "rollback"}
    before = _deploy(house, swarm_engine, UpdateConfig=config)
    house.image("1.1.0", cmd=["/bin/sh", "-c", "exit 7"])
    (made,) = house.round().proposed
    house.approve(made.id)
    outcome = house.apply(made.id)
    assert outcome.status is UpdateStatus.ROLLED_BACK
    assert "the swarm rolled it back by itself" in outcome.reason
    assert "non-zero exit (7)" in outcome.reason
    assert _image(swarm_engine) == before


def test_a_job_is_told_of_and_can_not_be_stopped(house: House, swarm_engine: SwarmNode) -> None:
    template = {"RestartPolicy": {"Condition": "none"}}
    image = f"{house.registry.reference(f'{house.name}:1.0.0')}@{house.image('1.0.0')}"
    container = {"Image": image, "Command": ["/bin/true"]}
    swarm_engine.create_service(
        "web",
        image,
        TaskTemplate={**template, "ContainerSpec": container},
        Mode={"ReplicatedJob": {}},
        UpdateConfig=None,
        RollbackConfig=None,
    )
    house.discover()
    assert house.view(KEY).container.workload_kind == "service_job"
    with pytest.raises(UnsupportedError, match="a job runs to its end once"):
        operate(house.database, KEY, Order(Operation.STOP), house.opens, actor=ANN)


def test_a_service_is_stopped_and_started_on_request(house: House, swarm_engine: SwarmNode) -> None:
    _deploy(house, swarm_engine)
    house.discover()
    operate(house.database, f"lab/{KEY}", Order(Operation.STOP), house.opens, actor=ANN)
    assert house.view(KEY).container.status is ContainerStatus.EXITED
    operate(house.database, f"lab/{KEY}", Order(Operation.START), house.opens, actor=ANN)
    swarm_engine.await_running("web")
