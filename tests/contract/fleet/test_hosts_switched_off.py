"""A host that is switched off: no round reads or touches it, and what was approved for it waits."""

from datetime import timedelta

from tests.contract.fleet.seeded import ANN, Seeded
from tests.contract.fleet.test_gates_and_readiness import approved, gate_of
from tests.lab.facts import NOW
from uptainer.core.enums import ContainerStatus, UpdateStatus
from uptainer.core.workloads import Mount
from uptainer.fleet.maintenance import plan_maintenance
from uptainer.fleet.regular_backups import due_for_backup
from uptainer.fleet.reports import report_fleet, report_waiting
from uptainer.fleet.simulation import simulate
from uptainer.store.repositories.hosts import HostRepository

SAID = "host alpha is switched off: its disk is replaced"


def switch_off(fleet: Seeded) -> None:
    with fleet.database.session() as session:
        HostRepository(session).disable("alpha", "its disk is replaced", ANN)


def test_what_was_approved_waits_until_the_host_is_in_use_again(fleet: Seeded) -> None:
    made = approved(fleet)
    switch_off(fleet)
    (plan,) = plan_maintenance(fleet.database, NOW)
    assert (plan.due, [reason for _, reason in plan.left]) == ((), [SAID])
    assert fleet.update(made).status is UpdateStatus.WAITING_FOR_WINDOW
    with fleet.database.session() as session:
        assert SAID in report_waiting(session, NOW)
        assert SAID in report_fleet(session, NOW)
        HostRepository(session).enable("alpha", "", ANN)
    fleet.discover()
    (plan,) = plan_maintenance(fleet.database, NOW)
    assert [due.update_id for due in plan.due] == [made]


def test_who_is_asked_about_an_update_of_it_is_told(fleet: Seeded) -> None:
    made = fleet.propose()
    switch_off(fleet)
    assert SAID in gate_of(fleet, made).account


def test_what_runs_on_it_is_not_known_and_nothing_is_foreseen_for_it(fleet: Seeded) -> None:
    approved(fleet)
    switch_off(fleet)
    assert fleet.container().status is ContainerStatus.UNKNOWN
    assert [line.at for line in simulate(fleet.database, NOW, NOW + timedelta(days=1))] == [None]


def test_it_is_not_backed_up_by_schedule(fleet: Seeded) -> None:
    fleet.policy(backup_every="1d")
    fleet.run("web", mounts=(Mount("volume", "data", "/v/data", "/data", read_only=False),))
    assert due_for_backup(fleet.database, NOW) == ["alpha/web"]
    switch_off(fleet)
    assert due_for_backup(fleet.database, NOW) == []
