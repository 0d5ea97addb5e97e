"""A stand tells what really runs: what is asked of it is asked of the engine, and of no code under test."""

import pytest

from tests.lab.room import wait_until
from tests.lab.stands.releases import Behaviour
from tests.lab.stands.stand import NAME, Stand, assert_exactly, has_exactly


@pytest.fixture(autouse=True)
def _empty(stand: Stand) -> None:
    stand.clear()


def test_what_is_deployed_runs_until_somebody_replaces_it(stand: Stand) -> None:
    first, second = stand.push(Behaviour.HEALTHY), stand.push(Behaviour.HEALTHY)
    key = stand.deploy(NAME, first)
    assert_exactly(stand, key, first)
    assert not has_exactly(stand, key, second)
    stand.replace_by_hand(key, second)
    assert_exactly(stand, key, second)
    stand.clear()
    assert not stand.running(key)


def test_its_data_is_seen(stand: Stand) -> None:
    release = stand.push(Behaviour.HEALTHY)
    key = stand.deploy(NAME, release)
    written = {"kept": f"by {release.version}\n", release.version: ""}
    assert_exactly(stand, key, release)
    wait_until(lambda: stand.data(key) == written, what=f"the data was not {written}")


def test_a_crash_is_seen(stand: Stand) -> None:
    key = stand.deploy(NAME, stand.push(Behaviour.CRASHING))
    wait_until(lambda: stand.has_crashed(key), what="it did not crash", pause=0.1)


def test_nothing_is_changed_by_looking(stand: Stand) -> None:
    key = stand.deploy(NAME, stand.push(Behaviour.HEALTHY))
    wait_until(lambda: len(stand.running(key)) == 1, what=f"{key} did not run", pause=0.1)
    before = stand.everything()
    assert not stand.leftovers(key)
    assert not stand.is_paused(key)
    assert stand.everything() == before
