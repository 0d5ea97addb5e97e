"""What ends with an approval when its gate opens anew, and what is not approved at all: updates under no readable policy."""

from datetime import timedelta
from typing import Any

import pytest

from tests.contract.fleet.seeded import ANN, AT_NIGHT, Seeded, answer, flaw
from tests.contract.fleet.test_gates_and_readiness import HOUR, approve, approved, gate_of
from tests.lab.facts import NOW
from uptainer.core.enums import ApprovalDecision, PolicyScope, Severity, UpdateStatus
from uptainer.core.workloads import Mount
from uptainer.fleet.gates import give_answer
from uptainer.fleet.maintenance import plan_maintenance
from uptainer.fleet.readiness import readiness
from uptainer.fleet.simulation import simulate
from uptainer.fleet.updating import override_window
from uptainer.store.models import AuditEntry
from uptainer.store.repositories.audit import AuditRepository
from uptainer.updates.gate import OVERRIDE_ENDED

GONE = "a window that is gone"
DATA = Mount("volume", "data", "/v/data", "/data", read_only=False)


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


@pytest.mark.parametrize(
    ("policy", "labels", "said"),
    [
        ({"windows": [GONE]}, {}, "the default policy cannot be read"),
        ({}, {"uptainer.windows": "nights"}, "uptainer.windows='nights'"),
        ({}, {"uptainer.windwos": AT_NIGHT}, "did you mean uptainer.windows?"),
        ({}, {"uptainer.policy": "careful"}, "there is no such policy"),
    ],
)
def test_an_approval_under_a_policy_that_cannot_be_read_is_refused_with_what_to_do(
    fleet: Seeded, policy: dict[str, Any], labels: dict[str, str], said: str
) -> None:
    fleet.policy(**policy)
    fleet.run("web", labels=labels)
    made = fleet.propose()
    account = gate_of(fleet, made).account
    assert "nothing is approved until that is corrected" in account
    assert "It cannot be approved while its policy cannot be read" in account
    ruling = approve(fleet, made)
    assert ruling.reopens
    assert said in ruling.refusal
    assert "correct that" in ruling.refusal
    assert fleet.update(made).status is UpdateStatus.AWAITING_APPROVAL
    assert ruling.refusal.partition(":")[0] in gate_of(fleet, made).account.partition("###")[0]


def test_what_cannot_be_approved_can_be_rejected(fleet: Seeded) -> None:
    fleet.policy(windows=[GONE])
    made = fleet.propose()
    gate_of(fleet, made)
    assert give_answer(fleet.database, made, answer(ApprovalDecision.REJECT), NOW).taken


@pytest.mark.parametrize(
    "given",
    [
        {"labels": {"com.centurylinklabs.watchtower.lifecycle.pre-update": "/backup.sh"}},
        {"labels": {"wud.tag.include": "(("}},
        {"labels": {"uptainer.mode": "auto"}, "image_labels": {"uptainer.mode": "auto"}},
    ],
)
def test_a_person_may_approve_what_another_tool_or_the_image_asks_for_and_is_not_done(
    fleet: Seeded, given: dict[str, Any]
) -> None:
    fleet.run("web", **given)
    made = fleet.propose()
    assert "so a person must decide" in gate_of(fleet, made).account
    assert approve(fleet, made).taken
    assert readiness(fleet.database, made, NOW).go


def test_a_policy_that_was_corrected_is_shown_before_its_update_is_approved(fleet: Seeded) -> None:
    fleet.policy(windows=[GONE])
    made = fleet.propose()
    shown = gate_of(fleet, made)
    fleet.policy(windows=[AT_NIGHT])
    ruling = give_answer(fleet.database, made, answer(), NOW, answered_account=shown.account_hash)
    assert "its policy is read otherwise now" in ruling.refusal
    assert "in the window that opens 2026-03-15 02:00" in gate_of(fleet, made).account
    assert approve(fleet, made).taken


def test_a_policy_that_breaks_again_after_the_approval_opens_the_gate_anew(fleet: Seeded) -> None:
    fleet.policy(PolicyScope.CONTAINER, "alpha/web", windows=[GONE])
    made = fleet.propose()
    assert not approve(fleet, made).taken
    fleet.policy(PolicyScope.CONTAINER, "alpha/web", windows=[])
    assert approve(fleet, made).taken
    fleet.policy(PolicyScope.CONTAINER, "alpha/web", windows=[GONE])
    (line,) = simulate(fleet.database, NOW, NOW + HOUR)
    assert line.outcome == "ask"
    assert not readiness(fleet.database, made, NOW).go
    assert fleet.update(made).status is UpdateStatus.AWAITING_APPROVAL


def test_what_an_account_says_of_the_backup_is_what_is_done(fleet: Seeded) -> None:
    fleet.run("web", mounts=(DATA,))
    made = fleet.propose()
    fleet.policy(backup_volumes=True)
    assert "and the data in data" in gate_of(fleet, made).account
    assert fleet.update(made).policy["backup_volumes"] is True


def test_what_a_policy_approved_is_done_as_that_policy_says_when_it_begins(fleet: Seeded) -> None:
    fleet.policy(mode="auto", unscanned="allow", windows=[AT_NIGHT])
    made = fleet.propose()
    fleet.policy(mode="auto", unscanned="allow", windows=[AT_NIGHT], backup_volumes=True, depends_on=["db"])
    (plan,) = plan_maintenance(fleet.database, NOW.replace(hour=2) + timedelta(days=1))
    assert [due.depends_on for due in plan.due] == [{"db"}]
    assert fleet.update(made).policy["backup_volumes"] is True
