"""What an update on a Docker engine says, and what becomes of one whose engine or database ends in the middle."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.integration.updates.bench import Bench
from tests.lab.docker import DockerEngine
from tests.lab.postgres import PostgresServer
from tests.lab.registry import Registry
from tests.lab.replacing import run_docker
from tests.lab.room import Room
from tests.lab.stands.docker import DockerStand
from tests.lab.stands.releases import Behaviour
from uptainer.core.enums import ApprovalChannel, ApprovalDecision, ContainerStatus, UpdateStatus
from uptainer.core.errors import RefusedError, TemporaryError, UnreachableError
from uptainer.runtimes.port import Json, Runtime
from uptainer.store import schema
from uptainer.store.database import Database
from uptainer.store.repositories.approvals import Answer
from uptainer.store.repositories.audit import Actor
from uptainer.store.repositories.updates import UpdateRepository
from uptainer.updates.engine import apply
from uptainer.updates.recovery import Found
from uptainer.updates.reversal import reverse

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
ANN = Answer(
    ApprovalDecision.APPROVE, ApprovalChannel.COMMAND, Actor("ann", authenticated=True), "it broke a plugin"
)


@pytest.fixture
def bench(clean_engine: DockerEngine, registry: Registry, database: Database, tmp_path: Path) -> Bench:
    return Bench(DockerStand(clean_engine, registry), database, tmp_path)


def before(runtime: Runtime, step: str, happens: Callable[[], object]) -> None:
    """Something happens to the world just before this step is done."""
    real = runtime.perform

    def perform(name: str, *arguments: Any) -> Json:
        if name == step:
            happens()
        return real(name, *arguments)

    runtime.perform = perform  # type: ignore[method-assign, assignment]  # -- the moment is what is tested


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        (Behaviour.UNHEALTHY, "its health check fails: it hurts"),
        (Behaviour.CRASHING, "restarted"),
        (Behaviour.UNSTARTABLE, "no/such/program"),
    ],
)
def test_an_update_that_is_undone_says_what_was_wrong(bench: Bench, behaviour: Behaviour, said: str) -> None:
    outcome = bench.carry_out(bench.propose(behaviour))
    assert outcome.status is UpdateStatus.ROLLED_BACK
    assert said in outcome.reason


def test_what_was_taken_back_is_remembered_as_rolled_back(bench: Bench) -> None:
    """So that it is not offered again."""
    first = bench.propose(Behaviour.HEALTHY)
    bench.carry_out(first)
    with bench.open() as runtime:
        apply(
            reverse(first, bench.database, runtime, ANN, NOW, stores=bench.stores),
            bench.database,
            runtime,
            bench.options,
            bench.stores,
        )
    with bench.database.session() as session:
        container = UpdateRepository(session).by_id(first).container_id
        earlier = UpdateRepository(session).outcomes([container])[container]
    assert [(each.update_id, each.status) for each in earlier] == [(first, UpdateStatus.ROLLED_BACK)]


def test_what_runs_by_somebody_elses_hand_is_not_taken_back(bench: Bench) -> None:
    first = bench.propose(Behaviour.HEALTHY)
    bench.carry_out(first)
    bench.stand.replace_by_hand(bench.key, bench.stand.push(Behaviour.HEALTHY))
    with bench.open() as runtime, pytest.raises(RefusedError, match="somebody replaced it"):
        reverse(first, bench.database, runtime, ANN, NOW, stores=bench.stores)


@pytest.mark.parametrize("step", ["stop", "set_aside", "start"])
@pytest.mark.parametrize("how", ["stop", "kill"])
def test_an_engine_that_ends_in_the_middle_is_waited_for_and_the_update_undone(
    bench: Bench, clean_engine: DockerEngine, how: str, step: str
) -> None:
    update = bench.propose(Behaviour.HEALTHY)
    with bench.open() as runtime:
        before(runtime, step, getattr(clean_engine, how))
        try:
            with pytest.raises(UnreachableError):
                apply(update, bench.database, runtime, bench.options, bench.stores)
        finally:
            clean_engine.start()
    assert bench.recover(update).found is Found.UNDONE
    bench.assert_as_before()


def test_an_engine_that_ends_when_the_new_one_runs_leaves_the_new_one(
    bench: Bench, clean_engine: DockerEngine
) -> None:
    update = bench.propose(Behaviour.HEALTHY)
    with bench.open() as runtime:
        before(runtime, "remove_old", clean_engine.kill)
        try:
            with pytest.raises(UnreachableError):
                apply(update, bench.database, runtime, bench.options, bench.stores)
        finally:
            clean_engine.start()
    assert bench.recover(update).found is Found.FINISHED
    bench.assert_updated()


def test_a_client_of_its_network_that_is_made_anew_meanwhile_is_not_left_without(
    bench: Bench, clean_engine: DockerEngine
) -> None:
    """As by `docker compose up` while the new image is pulled."""

    def run_client() -> None:
        options = ("--name", "client", "--network", f"container:{bench.key}", "--stop-timeout", "1")
        run_docker(clean_engine, "run", "--detach", *options, bench.current.reference)

    def make_anew() -> None:
        run_docker(clean_engine, "rm", "--force", "client")
        run_client()

    run_client()
    update = bench.propose(Behaviour.HEALTHY)
    with bench.open() as runtime:
        before(runtime, "create", make_anew)
        with pytest.raises(TemporaryError, match="client, stopped and started with web, changed"):
            apply(update, bench.database, runtime, bench.options, bench.stores)
    assert bench.status(update) is UpdateStatus.APPROVED
    assert bench.carry_out(update).status is UpdateStatus.SUCCEEDED
    with bench.open() as runtime:
        client, mode = runtime.state("client"), runtime.inspect("client")["HostConfig"]["NetworkMode"]
    assert (client.status, mode) == (ContainerStatus.RUNNING, f"container:{bench.facts().runtime_id}")


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
    bench = Bench(DockerStand(clean_engine, registry), database, tmp_path)
    update = bench.propose(Behaviour.HEALTHY)
    with bench.open() as runtime:
        before(runtime, "take_name", own_server.stop)
        with pytest.raises(UnreachableError):
            apply(update, bench.database, runtime, bench.options, bench.stores)
    with pytest.raises(UnreachableError):
        bench.recover(update)
    own_server.start()
    assert bench.recover(update).found is Found.UNDONE
    bench.assert_as_before()
    database.dispose()
