"""Whether an approved update may begin now: its policy and its window are asked again, whatever started the run."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from uptainer.core.enums import UpdateStatus
from uptainer.core.findings import Verdict
from uptainer.fleet.subjects import Fleet, Known
from uptainer.policy.decisions import Decision, Outcome, decide
from uptainer.policy.rules import WINDOW
from uptainer.policy.windows import closes_at
from uptainer.store.database import Database
from uptainer.store.models import CandidateRow, Update
from uptainer.store.repositories.audit import SYSTEM
from uptainer.store.repositories.checks import CheckRepository
from uptainer.store.repositories.containers import ContainerRepository
from uptainer.store.repositories.updates import UpdateRepository

APPROVED = (UpdateStatus.APPROVED, UpdateStatus.WAITING_FOR_WINDOW)


@dataclass(frozen=True, slots=True)
class Readiness:
    """`go`, or why not, and since when it may, where that is known. `closes_at` is when its window closes."""

    go: bool
    reason: str
    opens_at: datetime | None = None
    closes_at: datetime | None = None


def known_of(session: Session, update: Update) -> tuple[Known, CandidateRow | None]:
    """What is known of an update's container, and its candidate also where the last lookup no longer gave it."""
    row = CheckRepository(session).candidate(update.candidate_id) if update.candidate_id is not None else None
    views = ContainerRepository(session).by_ids([update.container_id])
    return Fleet.load(session, views, also=[row] if row else [])[update.container_id], row


def readiness(database: Database, update_id: int, now: datetime) -> Readiness:
    """Ask again; an approved update that has to wait for its window is marked so."""
    with database.session() as session:
        update = UpdateRepository(session).by_id(update_id)
        if update.status not in APPROVED or update.reverses_id is not None:
            return Readiness(go=True, reason="")
        known, row = known_of(session, update)
        if row is None:
            return Readiness(go=True, reason="")
        policy = known.policy.policy
        decision = decide(known.decision_subject(row, approved=True, ignoring_open=True), now)
        if decision.outcome is Outcome.APPLY:
            return Readiness(go=True, reason="", closes_at=closes_at(policy.windows, policy.freezes, now))
        return _wait(session, update, decision, now)


def _wait(session: Session, update: Update, decision: Decision, now: datetime) -> Readiness:
    reasons = [each.reason for each in decision.findings if each.verdict in {Verdict.BLOCK, Verdict.WAIT}]
    reason = "; ".join(reasons) or f"the decision on it is {decision.outcome}"
    opens = (
        decision.until
        if any(f.rule == WINDOW and f.verdict is Verdict.WAIT for f in decision.findings)
        else None
    )
    updates = UpdateRepository(session)
    if update.status is UpdateStatus.APPROVED:
        updates.transition(
            update.id,
            (UpdateStatus.APPROVED,),
            UpdateStatus.WAITING_FOR_WINDOW,
            reason=reason,
            actor=SYSTEM,
            now=now,
            opens_at=opens,
        )
    else:
        updates.amend(update.id, status_reason=reason, opens_at=opens)
    return Readiness(go=False, reason=reason, opens_at=opens)
