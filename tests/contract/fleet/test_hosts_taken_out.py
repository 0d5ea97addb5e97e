"""What is still known of updates whose host was taken out of the fleet, and that they stop nobody else's."""

from tests.contract.fleet.seeded import ANN, Seeded, answer
from tests.contract.fleet.test_gates_and_readiness import approved
from tests.lab.facts import NOW
from uptainer.cli import explaining
from uptainer.core.enums import ApprovalDecision, UpdateStatus
from uptainer.fleet.gates import give_answer
from uptainer.fleet.maintenance import plan_maintenance
from uptainer.store.repositories.hosts import HostRepository


def test_why_it_was_given_up_is_told_and_an_answer_to_it_is_refused(fleet: Seeded) -> None:
    made = fleet.propose()
    with fleet.database.session() as session:
        HostRepository(session).remove("alpha", NOW, force=True, actor=ANN)
    with fleet.database.session() as session:
        assert "host alpha was removed" in explaining.of_update(session, made, NOW).stands
    ruling = give_answer(fleet.database, made, answer(ApprovalDecision.REJECT), NOW)
    assert ruling.refusal == "it is superseded already"


def test_what_was_proposed_while_its_host_was_taken_out_waits_and_stops_nobody(fleet: Seeded) -> None:
    """A check had read the fleet before."""
    made = approved(fleet)
    with fleet.database.session() as session:
        HostRepository(session).by_name("alpha").removed_at = NOW
    (plan,) = plan_maintenance(fleet.database, NOW)
    assert plan.due == ()
    assert [reason for _, reason in plan.left] == ["host alpha was taken out of the fleet"]
    assert fleet.update(made).status is UpdateStatus.WAITING_FOR_WINDOW
