from dataclasses import replace

import pytest
from sqlalchemy.orm import Session

from tests.contract.store.conftest import Fleet
from tests.lab.facts import NOW, address, container, engine
from uptainer.core.enums import ConnectionType, ContainerStatus, Health, UpdateStatus
from uptainer.core.errors import InvalidInputError, NotFoundError, RefusedError
from uptainer.runtimes.addresses import parse_address
from uptainer.store.database import Database
from uptainer.store.models import Server
from uptainer.store.repositories.audit import SYSTEM, Actor, AuditRepository
from uptainer.store.repositories.containers import ContainerRepository
from uptainer.store.repositories.hosts import HostRepository
from uptainer.store.repositories.updates import UpdateRepository


def test_a_host_gives_back_the_address_it_was_added_with(session: Session) -> None:
    hosts = HostRepository(session)
    given = address(
        "beta", connection=ConnectionType.TCP, url="tcp://10.0.0.7:2376", block="beta-tls", timeout=7.5
    )
    hosts.add(given)
    assert hosts.address(hosts.by_name("beta")) == given


def test_adding_a_host_twice_changes_its_address_and_keeps_the_row(session: Session) -> None:
    hosts = HostRepository(session)
    first = hosts.add(address("beta")).id
    second = hosts.add(address("beta", url="unix:///elsewhere.sock"))
    assert second.id == first
    assert second.url == "unix:///elsewhere.sock"


def test_one_engine_address_is_not_two_hosts(session: Session) -> None:
    hosts = HostRepository(session)
    hosts.add(address("beta"))
    with pytest.raises(RefusedError, match=r"unix:///run/beta\.sock is host 'beta' already"):
        hosts.add(address("gamma", url="unix:///run/beta.sock"))


def test_two_blocks_with_a_kubeconfig_each_are_two_clusters(session: Session) -> None:
    hosts = HostRepository(session)
    cluster = parse_address("one", "kubeconfig://", block="one", namespaces=["shop"])
    hosts.add(cluster)
    hosts.add(replace(cluster, name="two", block="two"))
    assert HostRepository.address(hosts.by_name("one")) == cluster
    with pytest.raises(RefusedError, match="is host 'one' already"):
        hosts.add(replace(cluster, name="three"))


def test_one_engine_by_two_addresses_is_refused_when_it_is_seen(session: Session) -> None:
    hosts = HostRepository(session)
    first, second = hosts.add(address("beta")), hosts.add(address("gamma"))
    hosts.mark_seen(first.id, engine("same"), NOW)
    with pytest.raises(RefusedError, match="the engine that host 'beta' stands for already"):
        hosts.mark_seen(second.id, engine("same"), NOW)


def test_two_hosts_on_one_machine_share_its_server(session: Session) -> None:
    hosts = HostRepository(session)
    tcp = {"connection": ConnectionType.TCP}
    first = hosts.add(address("beta", url="tcp://10.0.0.7:2376", **tcp))
    second = hosts.add(address("gamma", url="tcp://10.0.0.7:2377", **tcp))
    assert first.server_id == second.server_id
    server = session.get(Server, first.server_id)
    assert server is not None
    assert server.name == "10.0.0.7"


def test_an_unknown_host_is_answered_with_those_that_there_are(session: Session) -> None:
    hosts = HostRepository(session)
    hosts.add(address("beta"))
    hosts.add(address("gamma"))
    with pytest.raises(NotFoundError, match="no host 'delta'; known: beta, gamma"):
        hosts.by_name("delta")


def test_what_runs_on_an_unreachable_host_is_unknown_until_it_answers(
    database: Database, fleet: Fleet
) -> None:
    with database.session() as session:
        HostRepository(session).mark_unreachable(fleet.host_id, "connection refused", NOW)
    with database.session() as session:
        view = ContainerRepository(session).by_address("web")
        assert (view.container.status, view.container.health) == (ContainerStatus.UNKNOWN, Health.UNKNOWN)
        assert (view.host.reachable, view.host.unreachable_reason) == (False, "connection refused")
        HostRepository(session).mark_seen(fleet.host_id, engine(), NOW)
        ContainerRepository(session).record(fleet.host_id, [container("web")], NOW)
    with database.session() as session:
        view = ContainerRepository(session).by_address("web")
        assert view.container.status is ContainerStatus.RUNNING
        assert (view.host.reachable, view.host.unreachable_reason) == (True, None)
        assert view.host.engine["version"] == "27.0"


def test_a_removed_host_is_gone_and_its_history_is_not(database: Database, fleet: Fleet) -> None:
    with database.session() as session:
        updates = UpdateRepository(session)
        update = updates.propose([fleet.proposal("web")], NOW).created[0]
        updates.close([update.id], UpdateStatus.REJECTED, reason="no", actor=SYSTEM, now=NOW)
        HostRepository(session).remove("alpha", NOW)
    with database.session() as session:
        assert HostRepository(session).all() == []
        assert ContainerRepository(session).listing(with_vanished=True) == []
        assert [row.workload for row in UpdateRepository(session).history(host="alpha")] == ["web"]


def test_a_host_added_again_takes_up_its_containers(database: Database, fleet: Fleet) -> None:
    with database.session() as session:
        HostRepository(session).remove("alpha", NOW)
        assert HostRepository(session).add(address()).id == fleet.host_id
        recorded = ContainerRepository(session).record(fleet.host_id, [container("web")], NOW)
        assert recorded.added == ("web",)
        assert ContainerRepository(session).by_address("web").container.id == fleet.ids["web"]


def test_a_host_with_updates_that_wait_is_removed_only_with_force(database: Database, fleet: Fleet) -> None:
    with database.session() as session:
        UpdateRepository(session).propose([fleet.proposal("web")], NOW)
    with database.session() as session, pytest.raises(RefusedError, match="has updates that wait: web"):
        HostRepository(session).remove("alpha", NOW)
    with database.session() as session:
        HostRepository(session).remove("alpha", NOW, force=True)
        assert [row.status for row in UpdateRepository(session).history()] == [UpdateStatus.SUPERSEDED]


def test_a_host_with_an_update_under_way_is_not_removed_even_with_force(
    database: Database, fleet: Fleet
) -> None:
    with database.session() as session:
        updates = UpdateRepository(session)
        update = updates.propose([fleet.proposal("web")], NOW).created[0]
        for before, after in (
            (UpdateStatus.PROPOSED, UpdateStatus.APPROVED),
            (UpdateStatus.APPROVED, UpdateStatus.APPLYING),
        ):
            updates.transition(update.id, [before], after, reason="", actor=SYSTEM, now=NOW)
    with database.session() as session, pytest.raises(RefusedError, match=r"under way: web \(applying\)"):
        HostRepository(session).remove("alpha", NOW, force=True)


def test_who_added_changed_and_removed_a_host_is_in_the_audit_log_once(session: Session) -> None:
    hosts, alice = HostRepository(session), Actor("alice", authenticated=True)
    for _ in range(2):
        hosts.add(address("beta"), actor=alice)
    hosts.add(address("beta", url="unix:///elsewhere.sock"), actor=alice)
    hosts.remove("beta", NOW, actor=alice)
    entries = AuditRepository(session).listing(subject="host/beta")
    assert [(entry.action, entry.actor) for entry in reversed(entries)] == [
        ("host.added", "alice"),
        ("host.changed", "alice"),
        ("host.removed", "alice"),
    ]


def test_a_host_that_is_switched_off_stays_in_the_fleet_and_that_is_audited(session: Session) -> None:
    hosts = HostRepository(session)
    hosts.add(address("beta"))
    with pytest.raises(InvalidInputError, match="needs a reason"):
        hosts.disable("beta", " ", Actor("alice"))
    hosts.disable("beta", "it moves", Actor("alice"))
    assert [host.name for host in hosts.all()] == ["beta"]
    hosts.add(address("beta", timeout=5))  # as a file that is applied, or the next start, does
    assert hosts.all(enabled_only=True) == []
    assert hosts.enable("beta", "it has moved", Actor("bob"))
    assert not hosts.enable("beta", "", Actor("bob"))
    assert [host.disabled_reason for host in hosts.all(enabled_only=True)] == [None]
    entries = AuditRepository(session).listing(subject="host/beta")
    assert [(each.action, each.actor, each.details.get("reason")) for each in reversed(entries)] == [
        ("host.added", "uptainer", None),
        ("host.disabled", "alice", "it moves"),
        ("host.changed", "uptainer", None),
        ("host.enabled", "bob", "it has moved"),
    ]


def test_a_host_that_was_switched_off_and_removed_is_in_use_when_it_is_taken_back(session: Session) -> None:
    hosts = HostRepository(session)
    hosts.add(address("beta"))
    hosts.disable("beta", "it moves", Actor("alice"))
    hosts.remove("beta", NOW)
    assert hosts.add(address("beta")).enabled
