"""The gate of an update and what becomes of its answer; and whether what was approved may begin."""

from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.contract.fleet.seeded import AT_NIGHT, OPEN_UNTIL_ONE, Seeded, answer, flaw
from tests.contract.store.conftest import counted_statements
from tests.lab.facts import NOW, candidate, digest
from uptainer.backups.local import local_stores
from uptainer.core.enums import (
    ApprovalDecision,
    ChangeLevel,
    CheckResult,
    PolicyScope,
    Severity,
    UpdateStatus,
)
from uptainer.core.errors import InvalidInputError, RefusedError, UnreachableError
from uptainer.fleet.gates import Gate, give_answer, open_gate
from uptainer.fleet.maintenance import plan_maintenance
from uptainer.fleet.readiness import readiness
from uptainer.fleet.situations import parse_until
from uptainer.fleet.updating import override_window
from uptainer.runtimes.port import Runtime
from uptainer.store.repositories.approvals import ApprovalRepository
from uptainer.store.repositories.audit import Actor, AuditRepository
from uptainer.store.repositories.containers import ContainerRepository
from uptainer.store.repositories.updates import UpdateRepository
from uptainer.updates.account import hash_account
from uptainer.updates.gate import Ruling

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
NOWHERE = local_stores(Path("/nowhere"))


def away(host: str) -> AbstractContextManager[Runtime]:
    raise UnreachableError(f"{host} does not answer")


def gate_of(fleet: Seeded, update_id: int, at: datetime = NOW) -> Gate:
    gate = open_gate(fleet.database, update_id, away, NOWHERE, at)
    assert gate is not None
    return gate


def approve(fleet: Seeded, update_id: int, at: datetime = NOW) -> Ruling:
    shown = gate_of(fleet, update_id, at)
    return give_answer(fleet.database, update_id, answer(), at, answered_account=shown.account_hash)


def approved(fleet: Seeded, key: str = "web", tag: str = "1.28") -> int:
    made = fleet.propose(key, tag)
    assert approve(fleet, made).taken
    return made


def test_the_account_says_what_is_known_and_that_the_host_is_away(fleet: Seeded) -> None:
    gate = gate_of(fleet, fleet.propose())
    assert digest("1.28") in gate.account
    assert "web" in gate.account
    assert "alpha does not answer" in gate.account
    assert "was not scanned" in gate.account
    assert gate.account_hash == hash_account(gate.account)


def test_the_account_names_who_is_to_approve_where_the_policy_does(fleet: Seeded) -> None:
    fleet.policy(approvers="the database team")
    assert "To be approved by: the database team" in gate_of(fleet, fleet.propose()).account


def test_the_account_says_when_a_freeze_is_over(fleet: Seeded) -> None:
    fleet.policy(freezes=["2026-03-14 00:00 to 2026-03-16 06:00 UTC"])
    assert "in the window that opens 2026-03-16 06:00 UTC" in gate_of(fleet, fleet.propose()).account


def test_opening_a_gate_again_gives_the_one_that_stands(fleet: Seeded) -> None:
    made = fleet.propose()
    first = gate_of(fleet, made)
    assert gate_of(fleet, made, NOW + DAY) == first


def test_nobody_waits_at_the_gate_of_an_update_that_was_answered(fleet: Seeded) -> None:
    made = approved(fleet)
    assert open_gate(fleet.database, made, away, NOWHERE, NOW) is None


def test_an_approval_is_kept_with_the_account_that_was_answered(fleet: Seeded) -> None:
    made = fleet.propose()
    shown = gate_of(fleet, made)
    assert approve(fleet, made).taken
    with fleet.database.session() as session:
        (kept,) = ApprovalRepository(session).for_update(made)
    assert (kept.account_hash, kept.account) == (shown.account_hash, shown.account)
    assert fleet.update(made).status is UpdateStatus.APPROVED


def test_an_approval_of_no_account_is_not_taken(fleet: Seeded) -> None:
    made = fleet.propose()
    ruling = give_answer(fleet.database, made, answer(), NOW)
    assert not ruling.taken
    assert fleet.update(made).status is UpdateStatus.PROPOSED


def test_an_answer_to_an_older_account_opens_the_gate_anew(fleet: Seeded) -> None:
    made = fleet.propose()
    old = gate_of(fleet, made)
    ruling = give_answer(fleet.database, made, answer(), NOW, answered_account="of-another-one")
    assert ruling.reopens
    again = gate_of(fleet, made)
    assert again.generation == old.generation + 1
    assert again.key != old.key
    assert "An earlier answer was not taken" in again.account


def test_an_answer_after_the_digest_moved_says_so(fleet: Seeded) -> None:
    made = fleet.propose()
    shown = gate_of(fleet, made)
    fleet.find("web", candidate("1.28", digest=digest("rebuilt")))
    ruling = give_answer(fleet.database, made, answer(), NOW, answered_account=shown.account_hash)
    assert ruling.reopens
    assert digest("rebuilt") in ruling.refusal


def test_an_answer_after_the_tag_went_back_says_so(fleet: Seeded) -> None:
    """Whoever published it has taken it back: the tag stands for what runs again, and nothing newer is there."""
    fleet.run("web")
    moved = candidate("1.27", digest=digest("bad"), level=ChangeLevel.DIGEST)
    fleet.find("web", moved, registry_digest=digest("bad"))
    (made,) = fleet.decide().proposed
    shown = gate_of(fleet, made.id)
    fleet.find("web", registry_digest=digest("running"))
    ruling = give_answer(fleet.database, made.id, answer(), NOW, answered_account=shown.account_hash)
    assert ruling.reopens
    assert digest("running") in ruling.refusal


def test_an_answer_while_the_registry_is_silent_is_taken(fleet: Seeded) -> None:
    made = fleet.propose()
    shown = gate_of(fleet, made)
    fleet.find("web", result=CheckResult.UNKNOWN, registry_digest=None)
    assert give_answer(fleet.database, made, answer(), NOW, answered_account=shown.account_hash).taken


def test_an_answer_after_the_scan_got_worse_says_what_was_found(fleet: Seeded) -> None:
    fleet.run("web")
    fleet.find("web", "1.28")
    fleet.scan("running")
    fleet.scan("1.28")
    made = fleet.propose()
    shown = gate_of(fleet, made)
    fleet.scan("1.28", flaw("CVE-9"), at=NOW + HOUR)
    ruling = give_answer(fleet.database, made, answer(), NOW + HOUR, answered_account=shown.account_hash)
    assert "CVE-9" in ruling.refusal
    again = gate_of(fleet, made, NOW + HOUR)
    assert "CVE-9" in again.account
    assert give_answer(fleet.database, made, answer(), NOW + HOUR, answered_account=again.account_hash).taken


@pytest.mark.parametrize("state", [UpdateStatus.REJECTED, UpdateStatus.SUPERSEDED, UpdateStatus.APPROVED])
def test_an_unreadable_answer_changes_nothing_of_what_is_no_question_any_more(
    fleet: Seeded, state: UpdateStatus
) -> None:
    made = fleet.propose()
    shown = gate_of(fleet, made)
    fleet.move(made, state)
    unreadable = answer(ApprovalDecision.SNOOZE, refusal="'soon' is no time")
    assert not give_answer(fleet.database, made, unreadable, NOW).reopens
    assert fleet.update(made).account_hash == shown.account_hash


def test_an_unreadable_snooze_is_kept_and_asked_anew(fleet: Seeded) -> None:
    made = fleet.propose()
    gate_of(fleet, made)
    assert give_answer(
        fleet.database, made, answer(ApprovalDecision.SNOOZE, refusal="'soon' is no time"), NOW
    ).reopens
    assert "is no time" in gate_of(fleet, made).account


def test_a_snooze_into_the_past_is_asked_anew(fleet: Seeded) -> None:
    made = fleet.propose()
    gate_of(fleet, made)
    past = answer(ApprovalDecision.SNOOZE, until=NOW - DAY)
    assert give_answer(fleet.database, made, past, NOW).reopens


@pytest.mark.parametrize("text", ["soon", "", "2026-12-01", "9999-12-31T23:59+00:00", "5000d"])
def test_a_time_that_is_none_or_too_far_away_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError):
        parse_until(text, NOW)


def test_an_answer_after_the_time_to_answer_expires_it(fleet: Seeded) -> None:
    made = fleet.propose()
    late = NOW + 20 * DAY
    shown = gate_of(fleet, made, late)
    assert shown.patience(late) > timedelta(0)
    give_answer(fleet.database, made, answer(), late, answered_account=shown.account_hash)
    assert fleet.update(made).status is UpdateStatus.EXPIRED


def test_hostile_words_stay_words(fleet: Seeded) -> None:
    script = "<script>alert(1)</script> | [x](javascript:1) `\n# Approved"
    fleet.run("web")
    fleet.find("web", candidate("1.28", version=script, labels={"org.opencontainers.image.title": script}))
    fleet.scan("running")
    fleet.scan("1.28", flaw(title=script, severity=Severity.LOW))
    (made,) = fleet.decide().proposed
    account = gate_of(fleet, made.id).account
    assert "<script>" not in account
    assert "\n# Approved" not in account
    assert "](javascript" not in account.replace("\\]", "").replace("\\(", "")


def test_without_a_window_it_may_begin_at_once(fleet: Seeded) -> None:
    assert readiness(fleet.database, approved(fleet), NOW).go


def test_a_closed_window_is_waited_for_and_an_open_one_is_used(fleet: Seeded) -> None:
    fleet.policy(windows=[AT_NIGHT])
    made = approved(fleet)
    said = readiness(fleet.database, made, NOW)
    opens = NOW.replace(hour=2) + DAY
    assert (said.go, said.opens_at) == (False, opens)
    assert fleet.update(made).status is UpdateStatus.WAITING_FOR_WINDOW
    assert fleet.update(made).opens_at == opens
    ready = readiness(fleet.database, made, opens)
    assert (ready.go, ready.closes_at) == (True, opens + 2 * HOUR)


def test_asking_twice_is_the_same_as_asking_once(fleet: Seeded) -> None:
    fleet.policy(windows=[AT_NIGHT])
    made = approved(fleet)
    assert readiness(fleet.database, made, NOW) == readiness(fleet.database, made, NOW)


def test_in_an_emergency_a_closed_window_is_overridden_with_a_reason_and_that_is_audited(
    fleet: Seeded,
) -> None:
    fleet.policy(windows=[AT_NIGHT])
    made = approved(fleet)
    assert not readiness(fleet.database, made, NOW).go
    with pytest.raises(InvalidInputError, match="needs a reason"):
        override_window(fleet.database, made, "  ", Actor("ada", authenticated=True))
    with pytest.raises(InvalidInputError, match="needs the name of who does it"):
        override_window(fleet.database, made, "it is being exploited", Actor(""))
    override_window(fleet.database, made, "it is being exploited", Actor("ada", authenticated=True))
    assert readiness(fleet.database, made, NOW).go
    with fleet.database.session() as session:
        (entry,) = AuditRepository(session).listing(
            subject=f"update/{made}", action="update.window_overridden"
        )
    assert (entry.actor, entry.details["reason"]) == ("ada", "it is being exploited")


def test_overriding_a_window_overrides_nothing_else(fleet: Seeded) -> None:
    fleet.policy(windows=[AT_NIGHT])
    asked, made = fleet.propose("db", "1.28"), approved(fleet)
    with pytest.raises(RefusedError, match="is proposed, not approved"):
        override_window(fleet.database, asked, "now", Actor("ada"))
    override_window(fleet.database, made, "now", Actor("ada"))
    fleet.policy(windows=[AT_NIGHT], mode="off")
    assert not readiness(fleet.database, made, NOW).go


def test_nothing_is_begun_that_would_not_be_done_before_the_window_closes(fleet: Seeded) -> None:
    fleet.policy(windows=[AT_NIGHT])
    made = approved(fleet)
    late = NOW.replace(hour=3, minute=58) + DAY
    said = readiness(fleet.database, made, late)
    assert not said.go
    assert "would not be done" in said.reason
    assert said.opens_at == NOW.replace(hour=2) + 2 * DAY


def test_a_policy_that_was_switched_off_meanwhile_holds_it(fleet: Seeded) -> None:
    made = approved(fleet)
    fleet.policy(PolicyScope.CONTAINER, "alpha/web", enabled=False)
    said = readiness(fleet.database, made, NOW)
    assert not said.go
    assert "switched off" in said.reason


def test_a_snooze_after_the_approval_holds_it(fleet: Seeded) -> None:
    made = approved(fleet)
    later = answer(ApprovalDecision.SNOOZE, until=NOW + DAY)
    assert give_answer(fleet.database, made, later, NOW).taken
    said = readiness(fleet.database, made, NOW)
    assert (said.go, said.opens_at) == (False, NOW + DAY)
    assert readiness(fleet.database, made, NOW + DAY).go


def test_a_registry_that_is_silent_does_not_hold_what_was_approved(fleet: Seeded) -> None:
    made = approved(fleet)
    fleet.find("web", result=CheckResult.UNKNOWN, registry_digest=None)
    assert readiness(fleet.database, made, NOW).go


def test_a_host_that_is_away_holds_it(fleet: Seeded) -> None:
    made = approved(fleet)
    fleet.lose_host()
    said = readiness(fleet.database, made, NOW)
    assert not said.go
    assert "does not answer" in said.reason


def test_what_was_found_after_the_approval_opens_the_gate_anew(fleet: Seeded) -> None:
    fleet.run("web")
    fleet.find("web", "1.28")
    fleet.scan("running")
    fleet.scan("1.28")
    made = approved(fleet)
    fleet.scan("1.28", flaw("CVE-9", Severity.CRITICAL), at=NOW + HOUR)
    assert not readiness(fleet.database, made, NOW + HOUR).go
    update = fleet.update(made)
    assert update.status is UpdateStatus.AWAITING_APPROVAL
    assert update.expires_at == NOW + HOUR + 14 * DAY
    assert "CVE-9" in gate_of(fleet, made, NOW + HOUR).account.partition("###")[0]


def test_what_was_approved_by_a_policy_that_cannot_be_read_any_more_opens_the_gate_anew(
    fleet: Seeded,
) -> None:
    fleet.policy(windows=[AT_NIGHT], signed_by=[])
    made = approved(fleet)
    assert not readiness(fleet.database, made, NOW).go
    fleet.policy(windows=["a window that is gone"], signed_by=["shop"])
    said = readiness(fleet.database, made, NOW)
    assert (said.go, "nothing is approved until that is corrected" in said.reason) == (False, True), said
    assert fleet.update(made).status is UpdateStatus.AWAITING_APPROVAL


def test_what_the_policy_approved_is_asked_for_when_it_no_longer_would(fleet: Seeded) -> None:
    fleet.policy(mode="auto", unscanned="allow", windows=[AT_NIGHT])
    made = fleet.propose()
    fleet.policy(mode="manual", unscanned="allow", windows=[AT_NIGHT])
    assert not readiness(fleet.database, made, NOW.replace(hour=2) + DAY).go
    assert fleet.update(made).status is UpdateStatus.AWAITING_APPROVAL


def test_what_the_policy_approved_is_blocked_by_a_new_critical(fleet: Seeded) -> None:
    fleet.policy(mode="auto", unscanned="allow")
    made = fleet.propose()
    fleet.scan("running")
    fleet.scan("1.28", flaw(severity=Severity.CRITICAL))
    said = readiness(fleet.database, made, NOW)
    assert not said.go
    assert "critical" in said.reason


def test_an_update_whose_candidate_is_forgotten_still_waits_for_its_window(fleet: Seeded) -> None:
    fleet.policy(windows=[AT_NIGHT])
    made = approved(fleet)
    with fleet.database.session() as session:
        UpdateRepository(session).amend(made, candidate_id=None)
    assert not readiness(fleet.database, made, NOW).go


def test_what_is_needed_goes_first_then_what_is_urgent(fleet: Seeded) -> None:
    fleet.run("web", depends_on=("db",))
    for key in ("web", "db", "cache"):
        approved(fleet, key)
    with fleet.database.session() as session:
        UpdateRepository(session).amend(open_id(fleet, "web"), urgency=4)
    (plan,) = plan_maintenance(fleet.database, NOW)
    order = [each.workload for each in plan.due]
    assert order.index("db") < order.index("web")
    assert plan.due[order.index("web")].depends_on == {"db"}
    assert plan.left == ()


def test_a_short_window_of_one_workload_holds_no_other(fleet: Seeded) -> None:
    fleet.policy(PolicyScope.CONTAINER, "alpha/web", windows=["daily 11:00-12:06 UTC"])
    fleet.policy(PolicyScope.CONTAINER, "alpha/db", windows=[OPEN_UNTIL_ONE])
    for key in ("cache", "db", "web"):
        approved(fleet, key)
    (plan,) = plan_maintenance(fleet.database, NOW)
    assert {each.workload for each in plan.due} == {"cache", "db"}
    assert [reason for _, reason in plan.left] == [
        "it would not be done when the window closes at 2026-03-14 12:06 UTC"
    ]


def test_what_waits_for_its_window_is_left_with_the_reason(fleet: Seeded) -> None:
    fleet.policy(windows=[AT_NIGHT])
    approved(fleet)
    (plan,) = plan_maintenance(fleet.database, NOW)
    assert plan.due == ()
    assert "window opens" in plan.left[0][1]


def test_maintenance_asks_no_more_for_a_hundred_updates_than_for_two(fleet: Seeded) -> None:
    fleet.policy(mode="auto", unscanned="allow")
    counts = []
    for size in (2, 100):
        keys = [f"of-{size}-{number}" for number in range(size)]
        fleet.run(*keys)
        fleet.find_all(keys, "1.28")
        fleet.decide()
        with counted_statements(fleet.database) as seen:
            (plan,) = plan_maintenance(fleet.database, NOW)
        assert len(plan.due) >= size
        counts.append(len(seen))
    assert counts[0] == counts[1]


def test_a_container_that_came_back_under_another_image_is_not_asked_about(fleet: Seeded) -> None:
    made = fleet.propose()
    with fleet.database.session() as session:
        assert ContainerRepository(session).by_address("alpha/web").container.image_id == digest("image")
    fleet.run("web", image_id=digest("other"), repo_digests=(f"nginx@{digest('another')}",))
    fleet.decide()
    assert open_gate(fleet.database, made, away, NOWHERE, NOW) is None


def open_id(fleet: Seeded, key: str) -> int:
    found = fleet.open(key)
    assert found is not None
    return found.id
