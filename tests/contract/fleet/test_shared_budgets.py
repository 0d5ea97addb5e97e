"""The budgets that all processes share, in a real database and before registries that count."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.contract.fleet.seeded import ANN, Seeded
from tests.contract.store.conftest import counted_statements
from tests.lab.facts import digest
from tests.lab.scripted import Answer, Asked, ScriptedServer
from tests.lab.threads import side_by_side
from uptainer.core.budgets import NO_NEWS, Budget, Cap, Cost, Grant, Urgency
from uptainer.core.clock import utc_now
from uptainer.core.enums import CheckResult, QuotaUnit, UpdateStatus
from uptainer.core.errors import NotFoundError, RateLimitedError
from uptainer.fleet.budgeting import SharedBudgets
from uptainer.fleet.checking import CheckReport, check_registry, plan_check
from uptainer.images.credentials import Keychain
from uptainer.store.database import Database
from uptainer.store.repositories.budgets import BudgetRepository, Terms

HUB = {"ratelimit-limit": "100;w=21600", "docker-ratelimit-source": "192.0.2.1"}


def hub_with(remaining: int) -> Answer:
    """Says what is left, and that the tag stands for something that does not run here."""
    headers = {"Docker-Content-Digest": digest("new"), "ratelimit-remaining": f"{remaining};w=21600"}
    return Answer(200, headers={**HUB, **headers})


def run(fleet: Seeded, registry: ScriptedServer, *keys: str, tag: str = "latest") -> None:
    name = f"{registry.host}/app"
    fleet.run(*keys, image_reference=f"{name}:{tag}", repo_digests=(f"{name}@{digest('running')}",))


def check(fleet: Seeded, **scope: str) -> CheckReport:
    ((host, questions),) = plan_check(fleet.database, **scope).registries.items()
    return check_registry(fleet.database, host, questions, Keychain())


def budget(database: Database) -> Budget:
    with database.session() as session:
        (found,) = BudgetRepository(session).all(utc_now())
    return found


def limit(database: Database, registry: str, cap: Cap | None, reserve: int = 20) -> None:
    with database.session() as session:
        BudgetRepository(session).set_terms(registry, Terms(cap, reserve), actor=ANN, now=utc_now())


def test_many_workers_together_are_granted_no_more_than_there_is(database: Database) -> None:
    limit(database, "registry.test", Cap(100, timedelta(hours=1)), 0)

    def take() -> int:
        own = Database(database.url)  # as a process of its own has it
        grants = [
            SharedBudgets(own).exchange("registry.test", NO_NEWS, Cost(7), Urgency.SWEEP) for _ in range(6)
        ]
        own.dispose()
        return sum(each.allowed.requests for each in grants)

    assert sum(side_by_side(take, take, take, take)) == 100
    last = SharedBudgets(database).exchange("registry.test", NO_NEWS, Cost(1), Urgency.WANTED)
    assert last.allowed == Cost()
    assert last.refusal


def test_a_429_that_one_worker_sees_holds_all_others_off_until_then(fleet: Seeded) -> None:
    with ScriptedServer(lambda _: Answer(429, headers={"Retry-After": "3600"})) as registry:
        run(fleet, registry, "web")
        check(fleet)
        assert len(registry.asked) == 1
        check(fleet)
        check(fleet, address="alpha/web")
        assert len(registry.asked) == 1
    found = fleet.check()
    until = budget(fleet.database).hold
    assert until
    assert timedelta(minutes=59) < until.until - utc_now() <= timedelta(hours=1)
    assert found.result is CheckResult.UNKNOWN
    assert f"rate limited until {until.until:%Y-%m-%d %H:%M:%S} UTC: it answered 429" in found.reason


def test_a_429_of_a_token_server_holds_its_registry_off(fleet: Seeded) -> None:
    def script(request: Asked) -> Answer:
        if request.path.startswith("/token"):
            return Answer(429, headers={"Retry-After": "600"})
        realm = f'Bearer realm="{registry.url}/token",service="lab"'
        return Answer(401, headers={"WWW-Authenticate": realm})

    with ScriptedServer(script) as registry:
        run(fleet, registry, "web")
        check(fleet)
        asked = len(registry.asked)
        check(fleet)
        assert len(registry.asked) == asked
    assert "its token server answered 429" in fleet.check().reason


def test_a_hold_can_be_lifted_by_a_person(fleet: Seeded) -> None:
    with ScriptedServer(lambda _: Answer(429, headers={"Retry-After": "3600"})) as registry:
        run(fleet, registry, "web")
        check(fleet)
        with fleet.database.session() as session:
            BudgetRepository(session).release(registry.host, actor=ANN, now=utc_now())
        registry.script = lambda _: Answer(404)
        check(fleet)
        assert len(registry.asked) == 2
    with fleet.database.session() as session, pytest.raises(NotFoundError, match="never asked"):
        BudgetRepository(session).release("other.test", actor=ANN, now=utc_now())


def test_what_the_registry_says_is_left_is_kept_with_whom_it_counts(fleet: Seeded) -> None:
    with ScriptedServer(lambda _: hub_with(76)) as registry:
        run(fleet, registry, "web")
        check(fleet)
    quota = budget(fleet.database).quota
    assert quota
    assert (quota.unit, quota.remaining, quota.limit) == (QuotaUnit.PULL, 76, 100)
    assert quota.source == "192.0.2.1"
    assert quota.resets_at
    assert quota.seen_at
    assert quota.resets_at - quota.seen_at == timedelta(hours=6)


def pulls_of(registry: ScriptedServer) -> int:
    return sum(asked.method == "GET" and "/manifests/" in asked.path for asked in registry.asked)


def test_a_sweep_leaves_the_last_pulls_and_goes_on_with_what_counts_as_none(fleet: Seeded) -> None:
    with ScriptedServer(lambda _: hub_with(20)) as registry:
        run(fleet, registry, "web")
        run(fleet, registry, "db", tag="other")
        check(fleet)
        assert pulls_of(registry) <= 1  # the first is asked before anything is known of the quota
        registry.asked.clear()
        check(fleet)
        assert (pulls_of(registry), [each.method for each in registry.asked]) == (0, ["HEAD", "HEAD"])
        assert "the last 20 of its 100 pulls are kept for what is most wanted" in fleet.check("web").reason
        check(fleet, address="alpha/web")
        assert pulls_of(registry) == 1


def test_what_is_approved_or_was_pushed_is_looked_up_when_a_sweep_no_longer_is(fleet: Seeded) -> None:
    asked: list[str] = []

    def script(request: Asked) -> Answer:
        asked.append(request.path)
        return Answer(404)

    with ScriptedServer(script) as registry:
        update = fleet.propose("web")
        limit(fleet.database, registry.host, Cap(10, timedelta(hours=1)), 90)
        SharedBudgets(fleet.database).exchange(registry.host, NO_NEWS, Cost(1), Urgency.SWEEP)
        run(fleet, registry, "web")
        run(fleet, registry, "db", tag="other")
        check(fleet)
        assert asked == []
        fleet.move(update, UpdateStatus.AWAITING_APPROVAL, UpdateStatus.APPROVED)
        check(fleet)
        assert {path.rpartition("/")[2] for path in asked} == {"latest"}
        asked.clear()
        check(fleet, repository=f"{registry.host}/app")
        assert {path.rpartition("/")[2] for path in asked} == {"latest", "other"}


def test_a_pushed_reference_is_asked_for_anew_and_only_where_its_repository_runs(fleet: Seeded) -> None:
    with ScriptedServer(lambda _: hub_with(90)) as registry:
        run(fleet, registry, "web")
        fleet.run("db", image_reference="redis:7")
        check(fleet, address="alpha/web")
        registry.asked.clear()
        plan = plan_check(fleet.database, repository=f"{registry.host}/app")
        assert [each.container_id for each in plan.registries[registry.host]] == [fleet.id_of("web")]
        assert [each.query.known for each in plan.registries[registry.host]] == [None]
        with counted_statements(fleet.database) as seen:
            nothing = plan_check(fleet.database, repository=f"{registry.host}/other")
        assert (nothing.registries, nothing.settled) == ({}, 0)
        assert sum("containers" in statement for statement in seen) == 1
        assert registry.asked == []


def test_what_a_sweep_asked_before_a_push_does_not_hide_what_the_push_has_brought(fleet: Seeded) -> None:
    """A sweep of a registry takes minutes, and writes down at its end what it was told at its begin."""
    with ScriptedServer(lambda _: Answer(404)) as registry:
        run(fleet, registry, "web")

        def pushed_meanwhile(_: Asked) -> Answer:
            registry.script = lambda _: Answer(headers={"Docker-Content-Digest": digest("running")})
            check(fleet, repository=f"{registry.host}/app")
            return Answer(404)

        registry.script = pushed_meanwhile
        check(fleet)
    assert fleet.check("web").result is CheckResult.UP_TO_DATE


def test_a_scan_is_paid_for_and_its_429_holds_lookups_off(database: Database) -> None:
    budgets = SharedBudgets(database)
    limit(database, "hub.test", Cap(10, timedelta(hours=1)), 0)
    with budgets.scanning("hub.test", Urgency.SWEEP):
        pass
    assert budget(database).spent == 4
    with pytest.raises(RateLimitedError), budgets.scanning("hub.test", Urgency.SWEEP):
        raise RateLimitedError("429 Too Many Requests")
    refused = budgets.exchange("hub.test", NO_NEWS, Cost(1), Urgency.WANTED)
    assert refused.allowed == Cost()
    with (
        pytest.raises(RateLimitedError, match=r"hub\.test is rate limited until"),
        budgets.scanning("hub.test", Urgency.WANTED),
    ):
        pytest.fail("it was scanned")


def test_a_scan_that_does_not_fit_takes_nothing(database: Database) -> None:
    limit(database, "hub.test", Cap(2, timedelta(hours=1)), 0)
    with (
        pytest.raises(RateLimitedError, match="all of our 2 requests"),
        SharedBudgets(database).scanning("hub.test", Urgency.WANTED),
    ):
        pytest.fail("it was scanned")
    assert budget(database).spent == 0


def test_a_thousand_requests_are_few_writes(fleet: Seeded) -> None:
    with ScriptedServer(lambda _: Answer(404)) as registry:
        fleet.run("warm", image_reference=f"{registry.host}/warm:1", repo_digests=(f"x@{digest('x')}",))
        check(fleet)
        for number in range(100):
            fleet.facts[f"c{number}"] = replace(
                fleet.facts["warm"],
                key=f"c{number}",
                name=f"c{number}",
                image_reference=f"{registry.host}/c{number}:1",
            )
        fleet.discover()
        registry.asked.clear()
        with counted_statements(fleet.database) as seen:
            check(fleet)
        requests = len(registry.asked)
        writes = sum("UPDATE uptainer.registry_budgets" in statement for statement in seen)
    assert requests >= 100
    assert writes <= requests / 10


def test_nothing_is_refused_by_a_budget_that_knows_no_bound(database: Database) -> None:
    granted = SharedBudgets(database).exchange("registry.test", NO_NEWS, Cost(24, 6), Urgency.SWEEP)
    assert granted == Grant(Cost(24, 6))
