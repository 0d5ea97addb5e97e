from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from uptainer.core.enums import ApprovalChannel, ApprovalDecision, UpdateStatus
from uptainer.core.errors import InvalidInputError
from uptainer.store.repositories.approvals import Answer
from uptainer.store.repositories.audit import Actor
from uptainer.updates.gate import Standing, rule

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
TOMORROW = NOW + timedelta(days=1)
WAITING = Standing(UpdateStatus.AWAITING_APPROVAL, digest="sha256:a", account_hash="h1", expires_at=TOMORROW)


def answer(
    decision: ApprovalDecision, *, by: str = "ann", until: datetime | None = None, reason: str = ""
) -> Answer:
    return Answer(decision, ApprovalChannel.COMMAND, Actor(by, authenticated=True), reason, until)


APPROVE = answer(ApprovalDecision.APPROVE)
REJECT = answer(ApprovalDecision.REJECT)
SKIP = answer(ApprovalDecision.SKIP)
SNOOZE = answer(ApprovalDecision.SNOOZE, until=TOMORROW)


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (APPROVE, UpdateStatus.APPROVED),
        (REJECT, UpdateStatus.REJECTED),
        (SKIP, UpdateStatus.REJECTED),
        (SNOOZE, None),
    ],
)
def test_an_answer_in_time_is_taken(given: Answer, status: UpdateStatus | None) -> None:
    ruling = rule(given, WAITING, NOW)
    assert ruling.taken
    assert ruling.status is status


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"candidate_digest": "sha256:b"}, "the tag stands for sha256:b now"),
        ({"answered_account": "h0"}, "the account that was answered is not the one that stands now"),
        ({"worse": ("CVE-2026-1 is critical now",)}, "CVE-2026-1 is critical now"),
    ],
)
def test_an_approval_of_what_changed_since_opens_the_gate_anew_and_says_what(
    change: dict[str, str | tuple[str, ...]], said: str
) -> None:
    ruling = rule(APPROVE, replace(WAITING, **change), NOW)  # type: ignore[arg-type]  # -- a table of one field each
    assert not ruling.taken
    assert ruling.reopens
    assert ruling.status is UpdateStatus.AWAITING_APPROVAL
    assert said in ruling.refusal
    assert said in ruling.reason


def test_an_approval_of_what_could_not_be_asked_again_is_taken() -> None:
    """The digest is what is deployed, whatever the tag stands for by then."""
    assert rule(APPROVE, replace(WAITING, candidate_digest=None, answered_account=None), NOW).taken


@pytest.mark.parametrize("given", [REJECT, SKIP, SNOOZE])
def test_a_no_to_what_was_seen_is_taken_whatever_changed_since(given: Answer) -> None:
    assert rule(given, replace(WAITING, candidate_digest="sha256:b", worse=("x",)), NOW).taken


@pytest.mark.parametrize("given", [APPROVE, REJECT, SKIP, SNOOZE])
def test_an_answer_after_the_time_is_over_closes_the_gate(given: Answer) -> None:
    ruling = rule(given, replace(WAITING, expires_at=NOW), NOW)
    assert not ruling.taken
    assert ruling.status is UpdateStatus.EXPIRED


@pytest.mark.parametrize(
    "status",
    [
        status
        for status in UpdateStatus
        if status
        not in {
            UpdateStatus.PROPOSED,
            UpdateStatus.AWAITING_APPROVAL,
            UpdateStatus.APPROVED,
            UpdateStatus.WAITING_FOR_WINDOW,
        }
    ],
)
@pytest.mark.parametrize("given", [APPROVE, REJECT])
def test_what_has_begun_or_ended_takes_no_answer(given: Answer, status: UpdateStatus) -> None:
    ruling = rule(given, replace(WAITING, status=status), NOW)
    assert not ruling.taken
    assert ruling.status is None
    assert status.value in ruling.refusal


@pytest.mark.parametrize("status", [UpdateStatus.APPROVED, UpdateStatus.WAITING_FOR_WINDOW])
def test_what_was_approved_can_be_rejected_until_it_begins_and_not_approved_twice(
    status: UpdateStatus,
) -> None:
    approved = replace(WAITING, status=status)
    assert rule(REJECT, approved, NOW).status is UpdateStatus.REJECTED
    assert not rule(APPROVE, approved, NOW).taken


def test_a_snooze_leaves_the_time_that_was_left() -> None:
    ruling = rule(answer(ApprovalDecision.SNOOZE, until=NOW + timedelta(days=7)), WAITING, NOW)
    assert ruling.snoozed_until == NOW + timedelta(days=7)
    assert ruling.expires_at == NOW + timedelta(days=8)


@pytest.mark.parametrize("until", [None, NOW, NOW - timedelta(seconds=1)])
def test_a_snooze_without_an_end_in_the_future_is_refused(until: datetime | None) -> None:
    with pytest.raises(InvalidInputError, match="in the future"):
        rule(answer(ApprovalDecision.SNOOZE, until=until), WAITING, NOW)


def test_an_answer_of_nobody_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="name"):
        rule(answer(ApprovalDecision.APPROVE, by="  "), WAITING, NOW)


def test_the_reason_of_a_ruling_names_who_and_why() -> None:
    ruling = rule(answer(ApprovalDecision.REJECT, reason="breaks the plugin"), WAITING, NOW)
    assert ruling.reason == "rejected by ann: breaks the plugin"
