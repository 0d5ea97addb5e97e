"""Decisions on the whole fleet, on a real database: what is proposed, approved, held, and taken back."""

from datetime import timedelta

import pytest

from tests.contract.fleet.seeded import ANN, AT_NIGHT, Seeded, answer, flaw
from tests.contract.store.conftest import counted_statements
from tests.lab.facts import NOW, candidate, digest
from uptainer.core.enums import (
    ApprovalChannel,
    ApprovalDecision,
    ChangeLevel,
    CheckResult,
    ContainerStatus,
    PolicyScope,
    ScanStatus,
    Severity,
    UpdateStatus,
)
from uptainer.fleet.gates import give_answer
from uptainer.policy.decisions import Outcome
from uptainer.store.repositories.approvals import ApprovalRepository
from uptainer.store.repositories.audit import SYSTEM, AuditRepository
from uptainer.store.repositories.hosts import HostRepository
from uptainer.store.repositories.proposals import Proposal
from uptainer.store.repositories.updates import UpdateRepository

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
CLEAN = ("running", "1.28")


def scanned(fleet: Seeded, *images: str) -> None:
    for image in images or CLEAN:
        fleet.scan(image)


def test_a_manual_policy_asks_and_says_by_when(fleet: Seeded) -> None:
    update = fleet.update(fleet.propose())
    assert update.status is UpdateStatus.PROPOSED
    assert update.expires_at == NOW + timedelta(days=14)
    assert (update.to_digest, update.from_digest) == (digest("1.28"), digest("running"))


def test_what_is_up_to_date_is_not_touched(fleet: Seeded) -> None:
    fleet.run("web")
    fleet.find("web")
    report = fleet.decide()
    assert report.proposed == ()
    assert report.outcomes[Outcome.NONE] == 1


def test_what_is_unknown_is_blocked_and_not_up_to_date(fleet: Seeded) -> None:
    fleet.run("web")
    fleet.find("web", result=CheckResult.UNKNOWN)
    assert fleet.decide().outcomes[Outcome.BLOCKED] == 1
    assert fleet.rules()["lookup"] == "block"


def test_a_container_that_was_never_checked_is_unknown(fleet: Seeded) -> None:
    fleet.run("web")
    assert fleet.decide().outcomes[Outcome.BLOCKED] == 1


def test_an_old_answer_is_not_believed_while_the_host_is_away(fleet: Seeded) -> None:
    fleet.run("web")
    fleet.find("web", "1.28")
    fleet.lose_host()
    report = fleet.decide()
    assert report.outcomes[Outcome.BLOCKED] == 1
    assert report.proposed == ()


def test_auto_approves_by_policy_on_the_record_and_waits_for_no_window(fleet: Seeded) -> None:
    fleet.policy(mode="auto", unscanned="allow")
    update = fleet.update(fleet.propose())
    assert update.status is UpdateStatus.APPROVED
    assert update.expires_at is None
    with fleet.database.session() as session:
        (given,) = ApprovalRepository(session).for_update(update.id)
        actions = [each.action for each in AuditRepository(session).listing(subject=f"update/{update.id}")]
    assert (given.channel, given.decision) == (ApprovalChannel.POLICY, ApprovalDecision.APPROVE)
    assert given.digest == update.to_digest
    assert actions == ["update.approved", "update.answered", "update.proposed"]


def test_auto_with_a_closed_window_is_approved_too(fleet: Seeded) -> None:
    fleet.policy(mode="auto", unscanned="allow", windows=[AT_NIGHT])
    assert fleet.update(fleet.propose()).status is UpdateStatus.APPROVED


def test_notify_proposes_nothing_and_off_does_not_look(fleet: Seeded) -> None:
    fleet.run("told", labels={"uptainer.mode": "notify"})
    fleet.run("off", labels={"uptainer.mode": "off"})
    fleet.find_all(["told", "off"], "1.28")
    report = fleet.decide()
    assert report.proposed == ()
    assert (report.outcomes[Outcome.NOTIFY], report.outcomes[Outcome.NONE]) == (1, 1)


def test_a_minimum_age_makes_it_wait_until_it_is_ripe(fleet: Seeded) -> None:
    fleet.policy(min_age="3d")
    fleet.run("web")
    fleet.find("web", "1.28")
    assert fleet.decide().outcomes[Outcome.WAITING] == 1
    fleet.find("web", "1.28", at=NOW + 3 * DAY)
    assert fleet.decide(NOW + 3 * DAY).outcomes[Outcome.ASK] == 1


def test_a_new_critical_blocks(fleet: Seeded) -> None:
    fleet.run("web")
    fleet.find("web", "1.28")
    fleet.scan("running")
    fleet.scan("1.28", flaw(severity=Severity.CRITICAL))
    assert fleet.decide().outcomes[Outcome.BLOCKED] == 1
    assert fleet.rules()["vulnerabilities"] == "block"


@pytest.mark.parametrize("unscanned", ["allow", "ask"])
@pytest.mark.parametrize("status", [ScanStatus.FAILED, ScanStatus.UNAVAILABLE])
def test_a_scan_that_failed_since_does_not_make_it_less_bad(
    fleet: Seeded, status: ScanStatus, unscanned: str
) -> None:
    fleet.policy(mode="auto", unscanned=unscanned)
    fleet.run("web")
    fleet.find("web", "1.28")
    fleet.scan("running")
    fleet.scan("1.28", flaw(severity=Severity.CRITICAL))
    fleet.scan("1.28", status=status, at=NOW + DAY)
    assert fleet.decide(NOW + DAY).outcomes[Outcome.BLOCKED] == 1


@pytest.mark.parametrize("which", ["running", "1.28"])
def test_what_was_harmless_by_an_older_scan_is_left_to_a_person(fleet: Seeded, which: str) -> None:
    fleet.policy(mode="auto")
    fleet.run("web")
    fleet.find("web", "1.28")
    fleet.scan("running")
    fleet.scan("1.28")
    fleet.scan(which, status=ScanStatus.FAILED, at=NOW + DAY)
    (made,) = fleet.decide(NOW + DAY).proposed
    assert not made.approved
    assert fleet.rules()["vulnerabilities"] == "ask"


def test_what_fixes_a_critical_does_not_ripen_and_is_urgent(fleet: Seeded) -> None:
    fleet.policy(min_age="7d", fast_track="critical")
    fleet.run("web")
    fleet.find("web", "1.28")
    fleet.scan("running", flaw(severity=Severity.CRITICAL))
    fleet.scan("1.28")
    (made,) = fleet.decide().proposed
    assert fleet.update(made.id).urgency == 4


def test_a_scan_that_is_unavailable_leaves_it_to_a_person(fleet: Seeded) -> None:
    fleet.policy(mode="auto")
    fleet.run("web")
    fleet.find("web", "1.28")
    fleet.scan("1.28", status=ScanStatus.UNAVAILABLE)
    (made,) = fleet.decide().proposed
    assert not made.approved


@pytest.mark.parametrize("decision", [ApprovalDecision.REJECT, ApprovalDecision.SKIP])
def test_what_a_person_refused_is_not_offered_again(fleet: Seeded, decision: ApprovalDecision) -> None:
    give_answer(fleet.database, fleet.propose(), answer(decision), NOW)
    fleet.find("web", "1.28", at=NOW + DAY)
    report = fleet.decide(NOW + DAY)
    assert report.proposed == ()
    assert report.outcomes[Outcome.BLOCKED] == 1


def test_a_rejected_digest_does_not_stop_the_next_one_and_a_skipped_version_does(fleet: Seeded) -> None:
    give_answer(fleet.database, fleet.propose("web"), answer(ApprovalDecision.REJECT), NOW)
    give_answer(fleet.database, fleet.propose("db"), answer(ApprovalDecision.SKIP), NOW)
    fleet.find_all(["web", "db"], candidate("1.28", digest=digest("rebuilt")))
    assert [each.workload for each in fleet.decide().proposed] == ["web"]


def test_a_rolled_back_digest_is_not_offered_again(fleet: Seeded) -> None:
    fleet.policy(mode="auto", unscanned="allow")
    made = fleet.propose()
    undone = (UpdateStatus.BACKING_UP, UpdateStatus.ROLLING_BACK, UpdateStatus.ROLLED_BACK)
    fleet.move(made, *undone, reason="it was unhealthy")
    assert fleet.decide().proposed == ()
    assert fleet.rules()["earlier"] == "block"


def test_a_digest_that_a_person_took_back_later_is_not_applied_again(fleet: Seeded) -> None:
    fleet.policy(mode="auto", unscanned="allow")
    made = fleet.propose()
    done = (UpdateStatus.BACKING_UP, UpdateStatus.APPLYING, UpdateStatus.VALIDATING, UpdateStatus.SUCCEEDED)
    fleet.move(made, *done)
    fleet.move(reversal_of(fleet, made), UpdateStatus.APPROVED, *done)
    report = fleet.decide()
    assert report.proposed == ()
    assert fleet.rules()["earlier"] == "block"


def reversal_of(fleet: Seeded, update_id: int) -> int:
    before = fleet.update(update_id)
    proposal = Proposal(
        container_id=before.container_id,
        candidate_id=None,
        host_name=before.host_name,
        workload=before.workload,
        from_reference=before.to_reference,
        from_digest=before.to_digest,
        from_image_id=before.from_image_id,
        to_reference=before.from_reference,
        to_digest=before.from_digest,
        level=ChangeLevel.UNORDERED,
        decision={},
        policy=before.policy,
        reverses_id=update_id,
    )
    with fleet.database.session() as session:
        return UpdateRepository(session).propose([proposal], NOW, ANN).created[0].id


def test_a_snoozed_question_is_not_asked_again_and_holds_off_newer_ones(fleet: Seeded) -> None:
    made = fleet.propose()
    give_answer(fleet.database, made, answer(ApprovalDecision.SNOOZE, until=NOW + 7 * DAY), NOW)
    fleet.find("web", "1.29", at=NOW + DAY)
    assert fleet.decide(NOW + DAY).outcomes[Outcome.WAITING] == 1
    assert fleet.update(made).status is UpdateStatus.PROPOSED
    assert [each.workload for each in fleet.decide(NOW + 8 * DAY).proposed] == ["web"]


def test_a_newer_candidate_supersedes_one_that_waits(fleet: Seeded) -> None:
    first = fleet.propose()
    fleet.find("web", "1.29")
    (made,) = fleet.decide().proposed
    assert fleet.update(first).status is UpdateStatus.SUPERSEDED
    assert fleet.update(made.id).to_digest == digest("1.29")


def test_two_candidates_do_not_take_turns(fleet: Seeded) -> None:
    fleet.run("web")
    both = (candidate("1.27.1", level=ChangeLevel.PATCH), candidate("2.0", level=ChangeLevel.MAJOR))
    fleet.find("web", *both)
    (first,) = fleet.decide().proposed
    for hour in range(1, 4):
        fleet.find("web", *both, at=NOW + hour * HOUR)
        assert fleet.decide(NOW + hour * HOUR).proposed == ()
    assert fleet.update(first.id).status is UpdateStatus.PROPOSED


def test_an_approved_update_is_not_silently_replaced(fleet: Seeded) -> None:
    first = fleet.propose()
    give_answer_on_account(fleet, first)
    fleet.find("web", "1.29")
    assert fleet.decide().proposed == ()
    assert fleet.update(first).status is UpdateStatus.APPROVED


def test_an_approved_update_makes_way_for_one_that_fixes_something_worse(fleet: Seeded) -> None:
    first = fleet.propose()
    give_answer_on_account(fleet, first)
    fleet.find("web", "1.29")
    fleet.scan("running", flaw(severity=Severity.CRITICAL))
    fleet.scan("1.29")
    (made,) = fleet.decide().proposed
    assert not made.approved
    assert fleet.update(first).status is UpdateStatus.SUPERSEDED


def test_what_the_policy_approved_makes_way_for_what_it_approves_now(fleet: Seeded) -> None:
    """Else the older one is applied in the window, and the newer one in the next: two downtimes for one."""
    fleet.policy(mode="auto", unscanned="allow", windows=[AT_NIGHT])
    first = fleet.propose()
    fleet.find("web", "1.29")
    (made,) = fleet.decide().proposed
    assert made.approved
    assert fleet.update(first).status is UpdateStatus.SUPERSEDED


def give_answer_on_account(fleet: Seeded, update_id: int) -> None:
    with fleet.database.session() as session:
        UpdateRepository(session).amend(update_id, account="the account", account_hash="hash")
    assert give_answer(fleet.database, update_id, answer(), NOW).taken


def test_an_update_whose_container_was_made_anew_elsewhere_is_given_up(fleet: Seeded) -> None:
    made = fleet.propose()
    fleet.run("web", image_id=digest("another"), repo_digests=(f"nginx@{digest('another')}",))
    fleet.find("web", "1.28", at=NOW + HOUR)
    (again,) = fleet.decide(NOW + HOUR).proposed
    first = fleet.update(made)
    assert first.status is UpdateStatus.SUPERSEDED
    assert "another image" in first.status_reason
    assert fleet.update(again.id).from_image_id == digest("another")


def test_an_image_that_its_engine_knows_by_another_id_now_is_the_same_image(fleet: Seeded) -> None:
    made = fleet.propose()
    fleet.run("web", image_id=digest("another"))
    fleet.decide(NOW + HOUR)
    assert fleet.update(made).status is UpdateStatus.PROPOSED


def test_an_update_whose_container_is_gone_is_given_up_after_a_while(fleet: Seeded) -> None:
    """Compose takes a container away for a moment when it makes it anew."""
    made = fleet.propose()
    fleet.remove("web")
    fleet.decide(NOW + timedelta(minutes=5))
    assert fleet.update(made).status is UpdateStatus.PROPOSED
    fleet.decide(NOW + 2 * HOUR)
    assert fleet.update(made).status is UpdateStatus.SUPERSEDED


def test_nothing_is_given_up_for_a_host_that_is_away(fleet: Seeded) -> None:
    made = fleet.propose()
    fleet.lose_host()
    fleet.decide(NOW + DAY)
    assert fleet.update(made).status is UpdateStatus.PROPOSED


def test_a_stale_answer_does_not_offer_again_what_runs_already(fleet: Seeded) -> None:
    """Between an update's end and the next lookup, the last lookup still names its digest."""
    fleet.run("web")
    fleet.find("web", "1.28")
    fleet.run("web", image_id=digest("new"), repo_digests=(f"nginx@{digest('1.28')}",))
    assert fleet.decide().proposed == ()


def test_containers_that_are_kept_for_the_way_back_are_left_alone(fleet: Seeded) -> None:
    fleet.run("uptainer-old-web-0123456789ab", details={"role": "old"}, status=ContainerStatus.EXITED)
    fleet.find("uptainer-old-web-0123456789ab", "1.28")
    assert fleet.decide().proposed == ()


def test_a_host_that_is_switched_off_gets_no_updates(fleet: Seeded) -> None:
    fleet.run("web")
    fleet.find("web", "1.28")
    with fleet.database.session() as session:
        HostRepository(session).disable("alpha", "it moves", SYSTEM)
    assert fleet.decide().proposed == ()


def test_a_policy_that_cannot_be_read_leaves_it_to_a_person(fleet: Seeded) -> None:
    fleet.policy(mode="auto", unscanned="allow")
    fleet.policy(PolicyScope.HOST, "alpha", no_such_field=1)
    fleet.run("web")
    fleet.find("web", "1.28")
    (made,) = fleet.decide().proposed
    assert not made.approved


def test_a_thousand_containers_are_decided_on_in_as_many_statements_as_ten(fleet: Seeded) -> None:
    fleet.policy(mode="auto", unscanned="allow")
    few = [f"few-{number}" for number in range(10)]
    many = [f"many-{number}" for number in range(1000)]
    fleet.run(*few)
    fleet.find_all(few, "1.28")
    with counted_statements(fleet.database) as for_few:
        assert len(fleet.decide().proposed) == 10
    fleet.run(*many)
    fleet.find_all(many, "1.28")
    with counted_statements(fleet.database) as for_many:
        assert len(fleet.decide().proposed) == 1000
    assert len(for_many) == len(for_few)
