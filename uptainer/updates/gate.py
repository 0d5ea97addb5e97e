"""The gate: what an answer does to an update that waits for one. The rule is pure; `answer` writes what it says."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from uptainer.core.enums import ApprovalDecision, UpdateStatus
from uptainer.core.errors import InvalidInputError
from uptainer.store.models import Update
from uptainer.store.repositories.approvals import Answer, ApprovalRepository
from uptainer.store.repositories.audit import SYSTEM, AuditRepository
from uptainer.store.repositories.updates import UpdateRepository

ASKED = (UpdateStatus.PROPOSED, UpdateStatus.AWAITING_APPROVAL)
ANSWERABLE = (*ASKED, UpdateStatus.APPROVED, UpdateStatus.WAITING_FOR_WINDOW)
OVERRIDE_ENDED = "the override of its window has ended with the approval that it was given for"


@dataclass(frozen=True, slots=True)
class Standing:
    """An update as it waits, and what is known of its candidate now.

    `candidate_digest` is what the registry answers for it now, None where it could not be asked. `account_hash` is of
    the account as it stands, `answered_account` of the one that the person had before them. `worse` are new findings of
    scans since then, in words. `unread` says why its policy cannot be read now, and is empty where it can.
    """

    status: UpdateStatus
    digest: str
    account_hash: str
    expires_at: datetime | None = None
    candidate_digest: str | None = None
    answered_account: str | None = None
    worse: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ruling:
    """`status` is where the update goes, None where it stays. A `refusal` says why the answer is not taken."""

    status: UpdateStatus | None
    reason: str
    refusal: str = ""
    reopens: bool = False
    snoozed_until: datetime | None = None
    expires_at: datetime | None = None

    @property
    def taken(self) -> bool:
        return not self.refusal


def rule(answer: Answer, standing: Standing, now: datetime) -> Ruling:
    """What an answer does.

    Only an approval can come too late for what was looked at: to reject, skip or snooze what a person saw is safe
    whatever became of it since.

    Raises:
        InvalidInputError: nobody is named, or a snooze has no end in the future.
    """
    _check(answer, now)
    if standing.status not in ANSWERABLE:
        return _refused(f"it is {standing.status} already")
    if standing.status in ASKED and standing.expires_at is not None and standing.expires_at <= now:
        return _refused("the time to answer was over", status=UpdateStatus.EXPIRED)
    match answer.decision:
        case ApprovalDecision.APPROVE:
            return _approve(answer, standing)
        case ApprovalDecision.REJECT:
            return Ruling(UpdateStatus.REJECTED, _said("rejected", answer))
        case ApprovalDecision.SKIP:
            return Ruling(UpdateStatus.REJECTED, _said("version skipped", answer))
        case ApprovalDecision.SNOOZE:
            return _snooze(answer, standing, now)


def changes(standing: Standing) -> tuple[str, ...]:
    """What became different since the person looked, in words."""
    moved = standing.candidate_digest not in {None, standing.digest}
    other = standing.answered_account not in {None, standing.account_hash}
    return (
        *(
            (f"the tag stands for {standing.candidate_digest} now, and not for {standing.digest}",)
            if moved
            else ()
        ),
        *(("the account that was answered is not the one that stands now",) if other else ()),
        *standing.worse,
    )


def answer(
    session: Session,
    update_id: int,
    given: Answer,
    now: datetime,
    *,
    candidate_digest: str | None = None,
    answered_account: str | None = None,
    worse: tuple[str, ...] = (),
    unread: tuple[str, ...] = (),
) -> Ruling:
    """Rule on an answer and write it down, with the state that it leads to, in the caller's transaction.

    Raises:
        NotFoundError: there is no such update.
        InvalidInputError: as `rule`.
    """
    update = UpdateRepository(session).by_id(update_id, lock=True)
    standing = Standing(
        status=update.status,
        digest=update.to_digest,
        account_hash=update.account_hash,
        expires_at=update.expires_at,
        candidate_digest=candidate_digest,
        answered_account=answered_account,
        worse=worse,
        unread=unread,
    )
    ruling = rule(given, standing, now)
    kept = Answer(given.decision, given.channel, given.by, given.reason, given.snooze_until, ruling.refusal)
    ApprovalRepository(session).record(update, kept, now)
    _carry_out(session, update, given, ruling, now)
    return ruling


def expire(session: Session, now: datetime) -> tuple[Update, ...]:
    """Close what nobody answered in time."""
    updates = UpdateRepository(session)
    late = [update.id for update in updates.expired(now) if update.status in ASKED]
    return tuple(
        updates.close(late, UpdateStatus.EXPIRED, reason="nobody answered in time", actor=SYSTEM, now=now)
    )


def reopen(session: Session, update_id: int, reasons: tuple[str, ...], now: datetime) -> Update:
    """Ask again about an update that was approved and not begun: its scan got worse, or its digest moved.

    Who let it begin outside of its window did so for what was approved, and that ends too.

    Raises:
        RefusedError: it has begun, or is closed.
    """
    updates = UpdateRepository(session)
    ended = (OVERRIDE_ENDED,) if updates.end_override(update_id) else ()
    reason = f"the gate is open anew: {'; '.join((*reasons, *ended))}"
    return updates.transition(
        update_id,
        (UpdateStatus.APPROVED, UpdateStatus.WAITING_FOR_WINDOW),
        UpdateStatus.AWAITING_APPROVAL,
        reason=reason,
        actor=SYSTEM,
        now=now,
    )


def _carry_out(session: Session, update: Update, given: Answer, ruling: Ruling, now: datetime) -> None:
    updates = UpdateRepository(session)
    if ruling.status is not None and ruling.status is not update.status:
        actor = given.by if ruling.taken else SYSTEM
        values = {"expires_at": None} if ruling.status is UpdateStatus.APPROVED else {}
        updates.transition(
            update.id, (update.status,), ruling.status, reason=ruling.reason, actor=actor, now=now, **values
        )
    elif ruling.reopens:
        updates.amend(update.id, status_reason=ruling.reason)
        details = {"reason": ruling.reason, "digest": update.to_digest}
        AuditRepository(session).append(SYSTEM, "update.reopened", f"update/{update.id}", details)
    elif ruling.snoozed_until is not None:
        updates.amend(
            update.id,
            snoozed_until=ruling.snoozed_until,
            expires_at=ruling.expires_at,
            status_reason=ruling.reason,
        )


def _check(answer: Answer, now: datetime) -> None:
    if not answer.by.name.strip():
        raise InvalidInputError("an answer needs the name of who gives it")
    if answer.decision is ApprovalDecision.SNOOZE and (
        answer.snooze_until is None or answer.snooze_until <= now
    ):
        raise InvalidInputError("a snooze needs a time in the future until which it lasts")


def _approve(answer: Answer, standing: Standing) -> Ruling:
    if standing.status not in ASKED:
        return _refused(f"it is {standing.status} already")
    if standing.unread:
        return _asked_anew(f"{'; '.join(standing.unread)}; correct that, and answer then")
    changed = changes(standing)
    if changed:
        return _asked_anew("; ".join(changed))
    return Ruling(UpdateStatus.APPROVED, _said("approved", answer))


def _asked_anew(text: str) -> Ruling:
    return Ruling(
        UpdateStatus.AWAITING_APPROVAL, f"the gate is open anew: {text}", refusal=text, reopens=True
    )


def _snooze(answer: Answer, standing: Standing, now: datetime) -> Ruling:
    """The time that was left to answer is left again when the snooze ends."""
    until = answer.snooze_until
    assert until is not None
    expires = None if standing.expires_at is None else standing.expires_at + (until - now)
    reason = _said(f"snoozed until {until:%Y-%m-%d %H:%M %Z}", answer)
    return Ruling(None, reason, snoozed_until=until, expires_at=expires)


def _refused(why: str, *, status: UpdateStatus | None = None) -> Ruling:
    return Ruling(status, why, refusal=why)


def _said(what: str, answer: Answer) -> str:
    reason = f": {answer.reason.strip()}" if answer.reason.strip() else ""
    return f"{what} by {answer.by.name.strip()}{reason}"
