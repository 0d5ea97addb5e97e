"""On every runtime: a worker that is killed at any line of its journal leaves work that the next process finishes or undoes.

The lines are those of the plan's own steps, whatever the runtime has planned.
"""

import pytest

from tests.integration.updates.bench import Bench
from tests.integration.updates.killing import Death, Work, apply_and_die
from tests.lab.stands.catalogue import ONE_OF_EACH
from tests.lab.stands.releases import Behaviour
from tests.lab.stands.stand import Stand
from uptainer.core.enums import RuntimeType, UpdateStatus
from uptainer.store.database import Database
from uptainer.updates.steps import BACK_UP_VOLUMES, SAVE_CONFIGURATION, Plan, PlannedStep, Stage

pytestmark = [
    pytest.mark.timeout(1800),
    pytest.mark.parametrize("stand", ONE_OF_EACH, indirect=True, scope="session"),
]

AFTERWARDS = ("done", True)
LINES = (("intend", True), ("done", False), AFTERWARDS)
"""Before the act, after it without its result, and with it: that last one is the journal's alone, and the same everywhere."""
UNDO = (("undoing", True), ("undone", False))


@pytest.fixture(scope="module")
def bench(stand: Stand, database: Database, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(stand, database, tmp_path_factory.mktemp("bench"))


def kill(bench: Bench, update: int, death: Death) -> bool:
    work = Work(update, bench.database.url, bench.address, bench.stand.secret, bench.options, bench.backups)
    return apply_and_die(work, death)


def expected_after(plan: Plan, step: PlannedStep, line: tuple[str, bool]) -> UpdateStatus:
    """What was completely in place goes on, what was only prepared may be approved still, the rest is undone."""
    switches = [each for each in plan.steps if each.stage is Stage.SWITCH]
    if step.stage in (Stage.VALIDATE, Stage.FINISH) or (step == switches[-1] and line == AFTERWARDS):
        return UpdateStatus.SUCCEEDED
    return UpdateStatus.APPROVED if step.stage is Stage.PREPARE else UpdateStatus.ROLLED_BACK


def test_a_worker_killed_on_the_way_leaves_one_right_workload_after_recovery(
    bench: Bench, subtests: pytest.Subtests
) -> None:
    plan = bench.plan()
    for step in plan.steps:
        for line in LINES if bench.address.runtime is RuntimeType.DOCKER else LINES[:2]:
            with subtests.test(f"{step.name} {line}"), bench.intact_again():
                update = bench.propose(Behaviour.HEALTHY)
                assert kill(bench, update, Death(line[0], step.name, committed=line[1])), "it did not die"
                recovered = bench.recover(update)
                assert recovered.status is expected_after(plan, step, line), recovered.reason
                if recovered.status is UpdateStatus.SUCCEEDED:
                    bench.assert_updated()
                else:
                    bench.assert_as_before(same_identity=plan.same_identity)


def test_a_worker_killed_in_the_undo_leaves_the_old_workload_after_recovery(
    bench: Bench, subtests: pytest.Subtests
) -> None:
    plan = bench.plan()
    begun = [step.name for step in plan.steps if step.stage is not Stage.FINISH]
    for name in begun:
        for method, committed in UNDO:
            with subtests.test(f"{name} {method}"), bench.intact_again():
                update = bench.propose(Behaviour.CRASHING)
                died = kill(bench, update, Death(method, name, committed=committed))
                status = bench.recover(update).status if died else bench.status(update)
                assert died or name not in {each.name for each in bench.journal(update)}, bench.reason(update)
                assert status is UpdateStatus.ROLLED_BACK, bench.reason(update)
                bench.assert_as_before(same_identity=plan.same_identity)


@pytest.mark.parametrize("method", ["read_mount", "write_mount"])
def test_a_worker_killed_in_the_middle_of_the_data_loses_none(bench: Bench, method: str) -> None:
    if not bench.restores_data:
        assert BACK_UP_VOLUMES not in {step.name for step in bench.plan().steps}
        return
    with bench.intact_again():
        update = bench.propose(Behaviour.CRASHING)
        assert kill(bench, update, Death(method, BACK_UP_VOLUMES))
        assert bench.recover(update).status is UpdateStatus.ROLLED_BACK
        bench.assert_as_before()
        assert not list(bench.backups.rglob("*.partial"))


def test_an_update_whose_preparation_was_killed_is_applied_on_the_same_approval(bench: Bench) -> None:
    with bench.intact_again():
        update = bench.propose(Behaviour.HEALTHY)
        assert kill(bench, update, Death("done", SAVE_CONFIGURATION))
        assert bench.recover(update).status is UpdateStatus.APPROVED
        assert bench.carry_out(update).status is UpdateStatus.SUCCEEDED
        bench.assert_updated()


def test_a_recovery_that_is_killed_itself_is_recovered(bench: Bench) -> None:
    """`apply` on an update that was left in the middle goes the same way as recovery."""
    with bench.intact_again():
        plan = bench.plan()
        switch = [step.name for step in plan.steps if step.stage is Stage.SWITCH]
        update = bench.propose(Behaviour.CRASHING)
        assert kill(bench, update, Death("intend", switch[-1], committed=True))
        assert kill(bench, update, Death("undone", switch[-1]))
        assert kill(bench, update, Death("undoing", SAVE_CONFIGURATION, committed=True))
        assert bench.recover(update).status is UpdateStatus.ROLLED_BACK
        bench.assert_as_before(same_identity=plan.same_identity)
