"""The answers of people (and of policies), each on exactly one account of one digest."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from uptainer.core.enums import ApprovalChannel, ApprovalDecision
from uptainer.store.bulk import any_of, insert_rows
from uptainer.store.models import Approval, Update
from uptainer.store.repositories.audit import Actor, AuditRepository, Entry


@dataclass(frozen=True, slots=True)
class Answer:
    """`refusal` says why the answer was not taken, "" where it was; an answer that came too late is kept too."""

    decision: ApprovalDecision
    channel: ApprovalChannel
    by: Actor
    reason: str = ""
    snooze_until: datetime | None = None
    refusal: str = ""


class ApprovalRepository:
    def __init__(self, session: Session) -> None:
        self._session = session

    def record(self, update: Update, answer: Answer, now: datetime) -> Approval:
        """Keep the answer with the account that was answered, and write it to the audit log."""
        row = Approval(**_columns(update, answer, now))
        self._session.add(row)
        self._session.flush()
        AuditRepository(self._session).append_all([_entry(update, answer)])
        return row

    def record_all(self, updates: Sequence[Update], answer: Answer, now: datetime) -> None:
        """Keep one answer that was given on each of them, in two statements."""
        if not updates:
            return
        rows = [_columns(update, answer, now) for update in updates]
        self._session.execute(insert_rows(Approval, rows))
        AuditRepository(self._session).append_all([_entry(update, answer) for update in updates])

    def of_policy(self, update_ids: Sequence[int]) -> frozenset[int]:
        """Those whose last approval that was taken is the policy's own, and no person's."""
        rows = self._session.execute(
            select(Approval.update_id, Approval.channel)
            .where(
                any_of(Approval.update_id, update_ids),
                Approval.decision == ApprovalDecision.APPROVE,
                Approval.taken,
            )
            .order_by(Approval.update_id, Approval.id.desc())
            .distinct(Approval.update_id)
        ).tuples()
        return frozenset(number for number, channel in rows if channel is ApprovalChannel.POLICY)

    def for_update(self, update_id: int) -> Sequence[Approval]:
        """The oldest first."""
        wanted = select(Approval).where(Approval.update_id == update_id).order_by(Approval.id)
        return self._session.scalars(wanted).all()


def _columns(update: Update, answer: Answer, now: datetime) -> dict[str, Any]:
    return {
        "update_id": update.id,
        "decision": answer.decision,
        "channel": answer.channel,
        "answered_by": answer.by.name,
        "authenticated": answer.by.authenticated,
        "reason": answer.reason,
        "snooze_until": answer.snooze_until,
        "digest": update.to_digest,
        "account": update.account,
        "account_hash": update.account_hash,
        "taken": not answer.refusal,
        "refusal": answer.refusal,
        "created_at": now,
    }


def _entry(update: Update, answer: Answer) -> Entry:
    details = {
        "decision": answer.decision,
        "channel": answer.channel,
        "reason": answer.reason,
        "snooze_until": answer.snooze_until,
        "digest": update.to_digest,
        "account_hash": update.account_hash,
        "taken": not answer.refusal,
        "refusal": answer.refusal,
    }
    return Entry(answer.by, "update.answered", f"update/{update.id}", details)
