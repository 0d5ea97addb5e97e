"""A worker that is killed at any line of its journal leaves work that the next process finishes or undoes."""

import signal
from pathlib import Path

import pytest

from tests.integration.updates.dockerlab import Bench
from tests.integration.updates.killing import Death, apply_and_die
from tests.lab.docker import DockerEngine
from tests.lab.registry import Registry
from uptainer.core.enums import UpdateStatus
from uptainer.store.database import Database
from uptainer.updates.engine import apply
from uptainer.updates.recovery import Found, Recovered, recover

PREPARE = ("save_configuration", "pull", "create")
UNTIL_STARTED = ("stop", "back_up_volumes", "disarm", "set_aside", "take_name", "start")
AFTERWARDS = ("validate", "remove_old")
LINES = [("intend", True), ("done", False), ("done", True)]
"""Before the act, after it without its result, and with it."""

FORWARD = [
    Death(method, step, committed=committed)
    for step in (*PREPARE, *UNTIL_STARTED, *AFTERWARDS)
    for method, committed in LINES
]
UNDO = [
    Death(method, step, committed=committed)
    for step in (*PREPARE, *UNTIL_STARTED, "validate")
    for method, committed in (("undoing", True), ("undone", False))
]
DATA = [Death("read_mount", "back_up_volumes"), Death("write_mount", "back_up_volumes")]


@pytest.fixture
def bench(clean_engine: DockerEngine, registry: Registry, database: Database, tmp_path: Path) -> Bench:
    return Bench(clean_engine, registry, database, tmp_path)


def kill(bench: Bench, update: int, death: Death) -> None:
    exit_code = apply_and_die(update, bench.database.url, bench.address, bench.options, death)
    assert exit_code == -signal.SIGKILL, "it was not killed where it should have been"


def recover_one(bench: Bench, update: int) -> Recovered:
    report = recover(bench.database, lambda _: bench.open())
    return next(each for each in report.updates if each.update_id == update)


@pytest.mark.parametrize("death", FORWARD, ids=str)
def test_a_worker_killed_on_the_way_leaves_one_right_container_after_recovery(
    bench: Bench, death: Death
) -> None:
    update = bench.propose("good")
    kill(bench, update, death)
    recovered = recover_one(bench, update)
    new_is_in_place = death.step in AFTERWARDS or death == Death("done", "start", committed=True)
    if new_is_in_place:
        assert recovered.status is UpdateStatus.SUCCEEDED, recovered.reason
        bench.assert_updated()
    else:
        assert recovered.found is Found.UNDONE, recovered.reason
        expected = UpdateStatus.APPROVED if death.step in PREPARE else UpdateStatus.ROLLED_BACK
        assert recovered.status is expected, recovered.reason
        bench.assert_as_before()


@pytest.mark.parametrize("death", UNDO, ids=str)
def test_a_worker_killed_in_the_undo_leaves_the_old_container_after_recovery(
    bench: Bench, death: Death
) -> None:
    update = bench.propose("cannot-start" if death.step != "validate" else "crashes")
    kill(bench, update, death)
    recovered = recover_one(bench, update)
    assert recovered.status is UpdateStatus.ROLLED_BACK, recovered.reason
    bench.assert_as_before()


@pytest.mark.parametrize("death", DATA, ids=str)
def test_a_worker_killed_in_the_middle_of_the_data_loses_none(bench: Bench, death: Death) -> None:
    update = bench.propose("crashes")
    kill(bench, update, death)
    recovered = recover_one(bench, update)
    assert recovered.status is UpdateStatus.ROLLED_BACK, recovered.reason
    bench.assert_as_before()
    assert not list(bench.options.backups.rglob("*.partial"))


def test_an_update_whose_preparation_was_killed_is_applied_on_the_same_approval(bench: Bench) -> None:
    update = bench.propose("good")
    kill(bench, update, Death("done", "create"))
    recover_one(bench, update)
    with bench.open() as runtime:
        assert apply(update, bench.database, runtime, bench.options).status is UpdateStatus.SUCCEEDED
    bench.assert_updated()


def test_a_recovery_that_is_killed_itself_is_recovered(bench: Bench) -> None:
    """`apply` on an update that was left in the middle goes the same way as recovery."""
    update = bench.propose("crashes")
    kill(bench, update, Death("intend", "validate", committed=True))
    kill(bench, update, Death("undone", "start"))
    kill(bench, update, Death("undoing", "back_up_volumes", committed=True))
    assert recover_one(bench, update).status is UpdateStatus.ROLLED_BACK
    bench.assert_as_before()
