"""The answers of people (and of policies), each on exactly one account of one digest."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from uptainer.core.enums import ApprovalChannel, ApprovalDecision
from uptainer.store.models import Approval, Update
from uptainer.store.repositories.audit import Actor, AuditRepository


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
        row = Approval(
            update_id=update.id,
            decision=answer.decision,
            channel=answer.channel,
            answered_by=answer.by.name,
            authenticated=answer.by.authenticated,
            reason=answer.reason,
            snooze_until=answer.snooze_until,
            digest=update.to_digest,
            account=update.account,
            account_hash=update.account_hash,
            taken=not answer.refusal,
            refusal=answer.refusal,
            created_at=now,
        )
        self._session.add(row)
        self._session.flush()
        details = {
            "decision": answer.decision,
            "channel": answer.channel,
            "reason": answer.reason,
            "snooze_until": answer.snooze_until,
            "digest": update.to_digest,
            "account_hash": update.account_hash,
            "taken": row.taken,
            "refusal": answer.refusal,
        }
        AuditRepository(self._session).append(answer.by, "update.answered", f"update/{update.id}", details)
        return row

    def for_update(self, update_id: int) -> Sequence[Approval]:
        """The oldest first."""
        wanted = select(Approval).where(Approval.update_id == update_id).order_by(Approval.id)
        return self._session.scalars(wanted).all()
