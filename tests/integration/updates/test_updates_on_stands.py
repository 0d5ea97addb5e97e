"""Whole updates on every runtime, from a real registry, with their journal in a real PostgreSQL."""

from datetime import UTC, datetime

import pytest

from tests.integration.updates.bench import Bench
from tests.lab.stands.catalogue import ONE_OF_EACH
from tests.lab.stands.releases import Behaviour
from tests.lab.stands.stand import Stand, assert_exactly
from uptainer.core.enums import ApprovalChannel, ApprovalDecision, UpdateStatus
from uptainer.core.errors import RefusedError
from uptainer.store.database import Database
from uptainer.store.repositories.approvals import Answer
from uptainer.store.repositories.audit import Actor
from uptainer.store.repositories.updates import UpdateRepository
from uptainer.updates.engine import apply, dry_run
from uptainer.updates.reversal import reverse

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.parametrize("stand", ONE_OF_EACH, indirect=True, scope="session"),
]

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
ANN = Answer(
    ApprovalDecision.APPROVE, ApprovalChannel.COMMAND, Actor("ann", authenticated=True), "it broke a plugin"
)


@pytest.fixture(scope="module")
def bench(stand: Stand, database: Database, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(stand, database, tmp_path_factory.mktemp("bench"))


def test_an_update_puts_the_new_image_in_place_with_the_old_data(bench: Bench) -> None:
    with bench.intact_again():
        update = bench.propose(Behaviour.HEALTHY)
        outcome = bench.carry_out(update)
        assert outcome.status is UpdateStatus.SUCCEEDED, outcome.reason
        bench.assert_updated()
    with bench.database.session() as session:
        downtime = UpdateRepository(session).by_id(update).downtime_seconds
    assert downtime is None or 0 < downtime < 600


@pytest.mark.parametrize("behaviour", [Behaviour.UNHEALTHY, Behaviour.CRASHING, Behaviour.UNSTARTABLE])
def test_an_update_that_does_not_prove_healthy_is_undone_with_its_data(
    bench: Bench, behaviour: Behaviour
) -> None:
    with bench.intact_again():
        plan = bench.plan()
        outcome = bench.carry_out(bench.propose(behaviour))
        assert outcome.status is UpdateStatus.ROLLED_BACK, outcome.reason
        assert outcome.reason
        bench.assert_as_before(same_identity=plan.same_identity)


def test_an_update_to_what_the_registry_does_not_have_leaves_the_old_one(bench: Bench) -> None:
    with bench.intact_again():
        plan = bench.plan()
        outcome = bench.carry_out(bench.propose(Behaviour.MISSING))
        assert outcome.status in (UpdateStatus.FAILED, UpdateStatus.ROLLED_BACK), outcome.reason
        assert not bench.stand.traits.pulls_first or outcome.status is UpdateStatus.FAILED
        bench.assert_as_before(same_identity=plan.same_identity)


def test_a_dry_run_leaves_the_engine_as_it_is(bench: Bench) -> None:
    update = bench.propose(Behaviour.HEALTHY)
    before = bench.stand.everything()
    with bench.open() as runtime:
        plan = dry_run(update, bench.database, runtime, bench.options, bench.stores)
    assert plan.steps[0].name == "save_configuration"
    assert bench.stand.everything() == before


def test_what_somebody_replaced_by_hand_is_left_to_them(bench: Bench) -> None:
    with bench.intact_again():
        update = bench.propose(Behaviour.HEALTHY)
        theirs = bench.stand.push(Behaviour.HEALTHY)
        bench.stand.replace_by_hand(bench.key, theirs)
        assert_exactly(bench.stand, bench.key, theirs)
        outcome = bench.carry_out(update)
        assert outcome.status is UpdateStatus.SUPERSEDED, outcome.reason
        assert_exactly(bench.stand, bench.key, theirs)
        bench.current = theirs


def test_a_finished_update_can_be_taken_back_and_keeps_what_was_written_since(bench: Bench) -> None:
    with bench.intact_again():
        before = bench.current
        first = bench.propose(Behaviour.HEALTHY)
        assert bench.carry_out(first).status is UpdateStatus.SUCCEEDED
        bench.assert_updated()
        after = bench.data()
        with bench.open() as runtime:
            second = reverse(first, bench.database, runtime, ANN, NOW, stores=bench.stores)
            outcome = apply(second, bench.database, runtime, bench.options, bench.stores)
            assert outcome.status is UpdateStatus.SUCCEEDED, outcome.reason
            with pytest.raises(RefusedError, match="taken back already"):
                reverse(first, bench.database, runtime, ANN, NOW, stores=bench.stores)
        assert_exactly(bench.stand, bench.key, before)
        assert set(after) <= set(bench.data())
        bench.current = before


def test_a_finished_update_can_be_taken_back_with_the_data_from_before_where_that_was_kept(
    bench: Bench,
) -> None:
    with bench.intact_again():
        before, data = bench.current, bench.data()
        first = bench.propose(Behaviour.HEALTHY)
        assert bench.carry_out(first).status is UpdateStatus.SUCCEEDED
        with bench.open() as runtime:
            if not bench.restores_data:
                with pytest.raises(RefusedError, match="kept no data"):
                    reverse(first, bench.database, runtime, ANN, NOW, stores=bench.stores, with_data=True)
                bench.assert_updated()
                return
            second = reverse(first, bench.database, runtime, ANN, NOW, stores=bench.stores, with_data=True)
            outcome = apply(second, bench.database, runtime, bench.options, bench.stores)
        assert outcome.status is UpdateStatus.SUCCEEDED, outcome.reason
        assert_exactly(bench.stand, bench.key, before)
        assert bench.data() == data
        bench.current = before
