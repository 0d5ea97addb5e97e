"""What is known of a host right after a dead worker's update was undone there."""

import pytest

from tests.integration.fleet import dying
from tests.integration.fleet.dying import kill
from tests.integration.fleet.house import House
from uptainer.core.enums import ContainerStatus, UpdateStatus
from uptainer.fleet.updating import backups_below, recorder
from uptainer.updates.recovery import RecoveryReport, recover

ASIDE = "uptainer.runtimes.docker.exchange:set_aside"


@pytest.fixture
def made(house: House) -> str:
    """A container that a killed worker's update made, and that a discovery has seen."""
    house.policy()
    house.run("1.0.0")
    house.image("1.1.0")
    (proposed,) = house.round().proposed
    house.approve(proposed.id)
    root = backups_below(house.settings)
    kill(dying.apply, proposed.id, house.settings, database=house.database, root=root, where=ASIDE)
    house.discover()
    (made,) = {name for name in house.names() if name != "web"}
    return made


def undone(house: House, report: RecoveryReport) -> bool:
    return house.names() == ["web"] and [each.status for each in report.updates] == [UpdateStatus.ROLLED_BACK]


def test_what_was_seen_before_the_undo_ended_is_not_called_left_over(house: House, made: str) -> None:
    report = recover(house.database, house.opens, house.stores)
    assert undone(house, report)
    assert house.view(made).container.status is not ContainerStatus.VANISHED
    assert report.leftovers == ()


def test_what_runs_after_a_recovery_is_known_at_once(house: House, made: str) -> None:
    assert undone(house, recover(house.database, recorder(house.database, house.opens), house.stores))
    assert house.view(made).container.status is ContainerStatus.VANISHED
    assert house.view("web").container.status is ContainerStatus.RUNNING
