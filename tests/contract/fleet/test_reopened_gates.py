"""What ends with an approval when its gate opens anew, and what is not approved at all: updates under no readable policy."""


from tests.contract.fleet.seeded import ANN, AT_NIGHT, Seeded, flaw
from tests.contract.fleet.test_gates_and_readiness import HOUR, approve, approved, gate_of
from tests.lab.facts import NOW
from uptainer.core.enums import Severity, UpdateStatus
from uptainer.fleet.readiness import readiness
from uptainer.fleet.updating import override_window
from uptainer.store.models import AuditEntry
from uptainer.store.repositories.audit import AuditRepository
from uptainer.updates.gate import OVERRIDE_ENDED

GONE = "a window that is gone"


def audited(fleet: Seeded, update_id: int, action: str) -> list[AuditEntry]:
    with fleet.database.session() as session:
        return list(AuditRepository(session).listing(subject=f"update/{update_id}", action=action))


def overridden(fleet: Seeded) -> int:
    """An approved update that may begin although its window is closed, for what was known of it then."""
    fleet.policy(windows=[AT_NIGHT])
    fleet.run("web")
    fleet.find("web", "1.28")
    fleet.scan("running")
    fleet.scan("1.28")
    made = approved(fleet)
    override_window(fleet.database, made, "it is being exploited", ANN)
    return made


def test_an_override_ends_with_the_approval_that_it_was_given_for(fleet: Seeded) -> None:
    made = overridden(fleet)
    fleet.scan("1.28", flaw("CVE-9"), at=NOW + HOUR)
    said = readiness(fleet.database, made, NOW + HOUR)
    assert (said.go, fleet.update(made).status) == (False, UpdateStatus.AWAITING_APPROVAL)
    assert fleet.update(made).window_override is None
    (entry,) = audited(fleet, made, "update.window_override_ended")
    assert entry.details["reason"] == "it is being exploited"
    assert OVERRIDE_ENDED in gate_of(fleet, made, NOW + HOUR).account


def test_what_is_approved_again_waits_for_its_window(fleet: Seeded) -> None:
    made = overridden(fleet)
    fleet.scan("1.28", flaw("CVE-9", Severity.LOW), at=NOW + HOUR)
    readiness(fleet.database, made, NOW + HOUR)
    assert approve(fleet, made, NOW + HOUR).taken
    said = readiness(fleet.database, made, NOW + HOUR)
    assert not said.go
    assert "next maintenance window" in said.reason


def test_a_newer_candidate_takes_over_no_override(fleet: Seeded) -> None:
    made = overridden(fleet)
    fleet.scan("running", flaw())
    fleet.find("web", "1.29")
    fleet.scan("1.29")
    fleet.decide()
    assert fleet.update(made).status is UpdateStatus.SUPERSEDED
    newer = fleet.open()
    assert newer is not None
    assert newer.window_override is None


def test_an_approval_that_stands_keeps_its_override(fleet: Seeded) -> None:
    made = overridden(fleet)
    assert readiness(fleet.database, made, NOW + HOUR).go
    assert audited(fleet, made, "update.window_override_ended") == []
