"""What discovery and health rounds record and tell, when hosts answer, fall silent, or are two names of one engine."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, cast

import pytest
from sqlalchemy import select

from tests.contract.fleet.seeded import ANN, Seeded
from tests.lab.facts import NOW, address, container, digest, engine
from uptainer.core.clock import utc_now
from uptainer.core.enums import (
    CheckResult,
    ConnectionType,
    ContainerStatus,
    Health,
    RuntimeType,
    UpdateStatus,
)
from uptainer.core.errors import RefusedError, UnreachableError
from uptainer.core.workloads import ContainerFacts, HostAddress
from uptainer.fleet.checking import plan_check, record_unasked
from uptainer.fleet.discovery import discover_host
from uptainer.fleet.listing import list_fleet
from uptainer.fleet.policies import PolicyBook
from uptainer.fleet.probing import HealthReport, probe_host
from uptainer.fleet.updating import opener
from uptainer.runtimes.port import Runtime, WorkloadState
from uptainer.store.models import UpdateNotification
from uptainer.store.repositories.audit import SYSTEM, AuditRepository
from uptainer.store.repositories.containers import ContainerRepository
from uptainer.store.repositories.hosts import HostRepository
from uptainer.store.repositories.policies import PolicyRepository


class Answers:
    """An engine that says what it is told to; `meanwhile` happens after it was asked and before it answers."""

    def __init__(self, containers: Sequence[ContainerFacts] = (), *, identity: str = "engine-1") -> None:
        self.facts = containers
        self.identity = identity
        self.states: dict[str, WorkloadState] = {}
        self.meanwhile: Any = lambda: None
        self.away = False

    def connect(self, host: HostAddress) -> Runtime:
        if self.away:
            self.meanwhile()
            raise UnreachableError(f"{host.name} does not answer")
        return cast("Runtime", self)

    @contextmanager
    def opens(self, name: str) -> Iterator[Runtime]:
        yield self.connect(address(name))

    def close(self) -> None:
        pass

    def engine(self) -> Any:
        return engine(self.identity)

    def containers(self) -> Sequence[ContainerFacts]:
        self.meanwhile()
        return self.facts

    def state(self, key: str) -> WorkloadState:
        return self.states[key]


def state(
    status: ContainerStatus = ContainerStatus.RUNNING,
    health: Health = Health.HEALTHY,
    exit_code: int | None = None,
) -> WorkloadState:
    return WorkloadState("id", status, health, 0, exit_code, digest("image"), NOW)


def notices(fleet: Seeded) -> list[str]:
    with fleet.database.session() as session:
        return list(session.scalars(select(UpdateNotification.event).order_by(UpdateNotification.id)))


def test_a_host_that_does_not_answer_makes_its_containers_unknown_and_is_told_once(fleet: Seeded) -> None:
    fleet.run("web")
    fleet.find("web")
    away = Answers()
    away.away = True
    for _ in range(2):
        with pytest.raises(UnreachableError):
            discover_host(fleet.database, address(), away.connect)
    assert fleet.container().status is ContainerStatus.UNKNOWN
    with fleet.database.session() as session:
        (line,) = list_fleet(session)
    assert (line.status, line.why) == ("unknown", "host alpha does not answer")
    discover_host(fleet.database, address(), Answers([container("web")]).connect)
    assert fleet.container().status is ContainerStatus.RUNNING
    assert notices(fleet) == ["uptainer.host.unreachable", "uptainer.host.reachable"]


def test_what_is_not_there_any_more_has_vanished_and_may_come_back(fleet: Seeded) -> None:
    discover_host(fleet.database, address(), Answers([container("web"), container("db")]).connect)
    report = discover_host(fleet.database, address(), Answers([container("web")]).connect)
    assert report.recorded.vanished == ("db",)
    assert fleet.container("db").status is ContainerStatus.VANISHED
    report = discover_host(fleet.database, address(), Answers([container("web"), container("db")]).connect)
    assert report.recorded.added == ("db",)


def test_an_older_look_does_not_undo_a_newer_one(fleet: Seeded) -> None:
    """A round that began before an update ended comes back after it."""
    slow = Answers([container("web", image_id=digest("old"))])
    new = Answers([container("web", image_id=digest("new"))])
    slow.meanwhile = lambda: discover_host(fleet.database, address(), new.connect)
    discover_host(fleet.database, address(), slow.connect)
    assert fleet.container().image_id == digest("new")


def test_what_was_seen_by_a_clock_that_was_ahead_does_not_stand_until_then(fleet: Seeded) -> None:
    with fleet.database.session() as session:
        HostRepository(session).mark_seen(fleet.host_id, engine(), utc_now() + timedelta(days=1))
    discover_host(fleet.database, address(), Answers([container("web")]).connect)
    assert fleet.container().status is ContainerStatus.RUNNING


def test_another_engine_at_the_same_address_is_not_taken_for_the_host(fleet: Seeded) -> None:
    fleet.run("web")
    other = Answers([container("web", image_id=digest("theirs"))], identity="engine-2 beta /var/lib/docker")
    with pytest.raises(RefusedError, match=r"another engine answers.*uptainer host add alpha unix://"):
        discover_host(fleet.database, address(), other.connect)
    with pytest.raises(RefusedError, match="another engine"), opener(fleet.database, other.connect)("alpha"):
        pytest.fail("it was opened")
    assert fleet.container().status is ContainerStatus.UNKNOWN
    assert fleet.container().image_id == digest("image")
    with fleet.database.session() as session:
        HostRepository(session).add(address(timeout=5))  # a file that is kept in git may say so
    with pytest.raises(RefusedError, match="another engine"):
        discover_host(fleet.database, address(), other.connect)
    with fleet.database.session() as session:
        HostRepository(session).accept_engine("alpha", ANN)
        (accepted,) = AuditRepository(session).listing(subject="host/alpha", limit=1)
        assert (accepted.action, accepted.actor) == ("host.engine-accepted", "ann")
    discover_host(fleet.database, address(), other.connect)
    assert fleet.container().image_id == digest("theirs")


def test_two_clusters_of_one_kubeconfig_are_told_apart(fleet: Seeded) -> None:
    """Whose current context somebody changes; one that shows nothing of itself is known by its address alone."""
    first, second = "8b6f3bd8-0a5c-4d2b-9a63-6a3e3f0f8e11", "c0ffee00-0a5c-4d2b-9a63-6a3e3f0f8e11"
    where = HostAddress("prod", RuntimeType.KUBERNETES, ConnectionType.KUBECONFIG, "kubeconfig:///config")
    with fleet.database.session() as session:
        HostRepository(session).add(where)
    for identity in (first, "0" * 64, first):
        discover_host(fleet.database, where, Answers([container("app")], identity=identity).connect)
    with pytest.raises(RefusedError, match="another engine"):
        discover_host(fleet.database, where, Answers([container("app")], identity=second).connect)


def test_what_was_asked_at_an_earlier_address_of_a_host_is_not_recorded(fleet: Seeded) -> None:
    fleet.run("web")
    late = Answers([container("web", image_id=digest("there"))])

    def move() -> None:
        with fleet.database.session() as session:
            HostRepository(session).add(address(url="unix:///run/moved.sock"))

    late.meanwhile = move
    discover_host(fleet.database, address(), late.connect)
    assert fleet.container().image_id == digest("image")
    new = Answers([container("web", image_id=digest("here"))], identity="engine-2")
    discover_host(fleet.database, address(url="unix:///run/moved.sock"), new.connect)
    assert fleet.container().image_id == digest("here")


def test_a_machine_that_was_renamed_is_the_same_engine(fleet: Seeded) -> None:
    renamed = Answers([container("web")], identity="engine-1 nas /var/lib/docker")
    discover_host(fleet.database, address(), renamed.connect)
    assert fleet.container().status is ContainerStatus.RUNNING


def test_an_older_silence_does_not_undo_a_newer_answer(fleet: Seeded) -> None:
    away, new = Answers(), Answers([container("web")])
    away.away = True
    away.meanwhile = lambda: discover_host(fleet.database, address(), new.connect)
    with pytest.raises(UnreachableError):
        discover_host(fleet.database, address(), away.connect)
    assert fleet.container().status is ContainerStatus.RUNNING


def test_a_second_name_of_one_engine_is_refused_and_says_so(fleet: Seeded) -> None:
    with fleet.database.session() as session:
        HostRepository(session).add(address("beta"))
    with pytest.raises(RefusedError, match="'alpha'"):
        discover_host(fleet.database, address("beta"), Answers([container("web")]).connect)
    with fleet.database.session() as session:
        beta = HostRepository(session).by_name("beta")
        assert list_fleet(session, host="beta") == []
    assert beta.reachable is False
    assert "alpha" in (beta.unreachable_reason or "")


@pytest.mark.parametrize(
    ("given", "labels", "result"),
    [
        ({"details": {"role": "old"}}, {}, CheckResult.EXCLUDED),
        ({}, {"uptainer.enable": "false"}, CheckResult.EXCLUDED),
        ({}, {"uptainer.mode": "off"}, CheckResult.EXCLUDED),
        ({"image_reference": digest("x")}, {}, CheckResult.PINNED),
    ],
)
def test_what_needs_no_registry_is_settled_with_its_reason(
    fleet: Seeded, given: dict[str, Any], labels: dict[str, str], result: CheckResult
) -> None:
    fleet.run("web", labels=labels, **given)
    plan = plan_check(fleet.database)
    assert (plan.settled, dict(plan.registries)) == (1, {})
    assert fleet.check().result is result
    assert fleet.check().reason


def test_hosts_that_are_away_or_switched_off_are_not_asked_for(fleet: Seeded) -> None:
    fleet.run("web")
    fleet.lose_host()
    plan_check(fleet.database)
    assert fleet.check().result is CheckResult.UNKNOWN
    fleet.discover()
    with fleet.database.session() as session:
        HostRepository(session).disable("alpha", "it moves", SYSTEM)
    plan_check(fleet.database)
    assert fleet.check().result is CheckResult.EXCLUDED


def test_a_registry_that_was_not_asked_leaves_nothing_up_to_date(fleet: Seeded) -> None:
    fleet.run("web")
    fleet.find("web")
    (questions,) = plan_check(fleet.database).registries.values()
    assert questions[0].query.known is not None
    record_unasked(fleet.database, questions, "its block is gone")
    assert (fleet.check().result, fleet.check().reason) == (CheckResult.UNKNOWN, "its block is gone")


def test_a_container_made_anew_is_not_called_up_to_date_by_an_older_check(fleet: Seeded) -> None:
    fleet.run("web")
    fleet.find("web")
    fleet.run("web", created_at=NOW + timedelta(minutes=1))
    with fleet.database.session() as session:
        (line,) = list_fleet(session)
    assert line.why == "it was made anew since it was last checked"


def test_a_window_that_cannot_be_read_is_a_fault_of_who_names_it_and_stops_nobody_else(fleet: Seeded) -> None:
    fleet.run("web", labels={"uptainer.windows": "night"})
    fleet.run("db")
    with fleet.database.session() as session:
        PolicyRepository(session).put_window("night", {"text": "whenever"}, actor=ANN)
    with fleet.database.session() as session:
        book = PolicyBook.load(session)
        faults = {v.container.key: book.policy_of(v).faults for v in ContainerRepository(session).listing()}
    assert faults["db"] == ()
    assert "night" in str(faults["web"][0])


ROUNDS = [
    pytest.param([state()], [], id="well from the start"),
    pytest.param([state(health=Health.UNHEALTHY)] * 3, ["unhealthy"], id="told once"),
    pytest.param(
        [state(), state(health=Health.UNHEALTHY), state()], ["unhealthy", "healthy"], id="there and back"
    ),
    pytest.param(
        [state(health=Health.UNHEALTHY), state(health=Health.STARTING), state()],
        ["unhealthy", "healthy"],
        id="back by a start",
    ),
    pytest.param(
        [state(health=Health.UNHEALTHY), state(health=Health.STARTING), state(health=Health.UNHEALTHY)],
        ["unhealthy"],
        id="a start in between is no news",
    ),
    pytest.param([state(), state(ContainerStatus.EXITED, Health.UNKNOWN, 143)], [], id="stopped by somebody"),
    pytest.param([state(), state(ContainerStatus.EXITED, Health.UNKNOWN, 137)], [], id="killed"),
    pytest.param(
        [state(), state(ContainerStatus.EXITED, Health.UNKNOWN, 3)], ["unhealthy"], id="ended with an error"
    ),
    pytest.param(
        [state(health=Health.UNHEALTHY), state(ContainerStatus.EXITED, Health.UNKNOWN, 0)],
        ["unhealthy"],
        id="a stop is no recovery",
    ),
    pytest.param([state(), state(ContainerStatus.PAUSED, Health.HEALTHY)], [], id="paused"),
]


@pytest.mark.parametrize(("rounds", "told"), ROUNDS)
def test_turns_are_told_once(fleet: Seeded, rounds: list[WorkloadState], told: list[str]) -> None:
    fleet.run("web")
    asked = Answers()
    for each in rounds:
        asked.states["web"] = each
        probe(fleet, asked)
    assert notices(fleet) == [f"uptainer.workload.{word}" for word in told]


def test_a_host_that_was_away_in_between_is_no_news(fleet: Seeded) -> None:
    fleet.run("web")
    asked = Answers()
    asked.states["web"] = state(health=Health.UNHEALTHY)
    probe(fleet, asked)
    asked.away = True
    with pytest.raises(UnreachableError):
        probe(fleet, asked)
    asked.away = False
    assert probe(fleet, asked).turned == ()
    assert notices(fleet) == ["uptainer.workload.unhealthy"]


def test_what_an_update_is_replacing_is_not_probed(fleet: Seeded) -> None:
    fleet.policy(mode="auto", unscanned="allow")
    made = fleet.propose()
    fleet.move(made, UpdateStatus.BACKING_UP)
    assert probe(fleet, Answers()).containers == 0


def probe(fleet: Seeded, asked: Answers) -> HealthReport:
    return probe_host(fleet.database, "alpha", asked.opens)
