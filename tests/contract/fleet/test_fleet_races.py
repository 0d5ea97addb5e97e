"""Rounds that run at the same time, or whose database goes away in the middle; and how often it is asked."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.contract.fleet.seeded import Seeded, answer
from tests.contract.store.conftest import counted_statements
from tests.lab.facts import NOW, digest
from tests.lab.postgres import PostgresServer
from tests.lab.scripted import Answer, ScriptedServer
from uptainer.core.enums import UpdateStatus
from uptainer.core.errors import BusyError, TemporaryError
from uptainer.fleet.checking import check_registry, plan_check
from uptainer.fleet.deciding import decide_fleet
from uptainer.fleet.gates import give_answer
from uptainer.fleet.readiness import readiness
from uptainer.images.credentials import Keychain
from uptainer.store.repositories.audit import AuditRepository
from uptainer.store.repositories.updates import UpdateRepository


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """One that met another may be told to come again; its task does so."""

    def insist(call: Callable[[], Any]) -> Any:
        for _ in range(5):
            try:
                return call()
            except BusyError:
                continue
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return [each.result(timeout=60) for each in [pool.submit(insist, call) for call in calls]]


def test_two_checks_at_once_propose_each_update_once(fleet: Seeded) -> None:
    keys = [f"c{number}" for number in range(30)]
    fleet.run(*keys)
    fleet.find_all(keys, "1.28")
    reports = at_once(*[lambda: decide_fleet(fleet.database, NOW)] * 3)
    proposed = [each.workload for report in reports for each in report.proposed]
    assert sorted(proposed) == sorted(keys)
    with fleet.database.session() as session:
        assert AuditRepository(session).verify().ok


def test_an_answer_while_it_is_superseded_is_taken_or_refused_and_never_both(fleet: Seeded) -> None:
    made = fleet.propose()
    with fleet.database.session() as session:
        UpdateRepository(session).amend(made, account="the account", account_hash="hash")
    fleet.find("web", "1.29")
    ruling, _ = at_once(
        lambda: give_answer(fleet.database, made, answer(), NOW, answered_account="hash"),
        lambda: decide_fleet(fleet.database, NOW),
    )
    expected = UpdateStatus.APPROVED if ruling.taken else UpdateStatus.SUPERSEDED
    assert fleet.update(made).status is expected


def test_asking_at_once_whether_it_may_begin_fails_nobody(fleet: Seeded) -> None:
    fleet.policy(mode="auto", unscanned="allow", windows=["daily 02:00-04:00 UTC"])
    made = fleet.propose()
    said = at_once(*[lambda: readiness(fleet.database, made, NOW)] * 4)
    assert {each.go for each in said} == {False}
    assert fleet.update(made).status is UpdateStatus.WAITING_FOR_WINDOW


def test_a_database_that_goes_away_in_the_middle_is_a_temporary_fault(
    fleet: Seeded, postgres_server: PostgresServer
) -> None:
    fleet.run("web")
    with silent_registry() as registry:
        fleet.run("web", image_reference=f"{registry.host}/app:1")
        ((host, questions),) = plan_check(fleet.database).registries.items()
        registry.script = lambda _: stopping(postgres_server)
        try:
            with pytest.raises(TemporaryError):
                check_registry(fleet.database, host, questions, Keychain())
        finally:
            postgres_server.start()
        registry.script = lambda _: Answer(404)
        report = check_registry(fleet.database, host, questions, Keychain())
    assert report.unknown == 1
    assert fleet.check().reason


def stopping(server: PostgresServer) -> Answer:
    server.stop()
    return Answer(404)


def silent_registry() -> ScriptedServer:
    return ScriptedServer(lambda _: Answer(404))


def test_a_thousand_containers_are_checked_in_as_many_statements_as_ten(fleet: Seeded) -> None:
    counts = []
    with silent_registry() as registry:
        for size in (10, 1000):
            keys = [f"{size}-{number}" for number in range(size)]
            reference = f"{registry.host}/app:1"
            repo = (f"{registry.host}/app@{digest('running')}",)
            fleet.run(*keys, image_reference=reference, repo_digests=repo)
            with counted_statements(fleet.database) as seen:
                ((host, questions),) = plan_check(fleet.database).registries.items()
                report = check_registry(fleet.database, host, questions, Keychain())
            assert report.unknown >= size
            counts.append(len(seen))
    assert counts[1] <= counts[0] + 2
