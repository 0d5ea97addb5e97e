"""What became of earlier updates: what was rejected, undone or taken back is not offered again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from uptainer.core.enums import ApprovalDecision, UpdateStatus
from uptainer.store.bulk import any_of
from uptainer.store.models import Approval, Update

_BAD = (UpdateStatus.REJECTED, UpdateStatus.ROLLED_BACK, UpdateStatus.ROLLBACK_FAILED, UpdateStatus.FAILED)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an earlier update of a container; `skipped` is a rejection for good, of the whole version."""

    update_id: int
    container_id: int
    to_reference: str
    to_digest: str
    to_version: str | None
    status: UpdateStatus
    reason: str
    skipped: bool
    created_at: datetime
    finished_at: datetime | None


def outcomes(session: Session, container_ids: Sequence[int]) -> Mapping[int, tuple[Outcome, ...]]:
    """Rejected, rolled back and failed updates of these containers, by container, the newest first.

    One that succeeded and was taken back later counts as rolled back.
    """
    skipped = (
        select(Approval.id)
        .where(Approval.update_id == Update.id, Approval.decision == ApprovalDecision.SKIP, Approval.taken)
        .exists()
    )
    reversal = aliased(Update)
    rows = session.execute(
        select(Update, skipped.label("skipped"), reversal)
        .outerjoin(
            reversal, (reversal.reverses_id == Update.id) & (reversal.status == UpdateStatus.SUCCEEDED)
        )
        .where(any_of(Update.container_id, container_ids), Update.status.in_(_BAD) | reversal.id.is_not(None))
        .order_by(Update.created_at.desc(), Update.id.desc())
    )
    found: dict[int, list[Outcome]] = {each: [] for each in container_ids}
    for row, was_skipped, taken_back_by in rows:
        found[row.container_id].append(_outcome(row, taken_back_by, skipped=was_skipped))
    return {container: tuple(each) for container, each in found.items()}


def _outcome(row: Update, reversal: Update | None, *, skipped: bool) -> Outcome:
    return Outcome(
        update_id=row.id,
        container_id=row.container_id,
        to_reference=row.to_reference,
        to_digest=row.to_digest,
        to_version=row.to_version,
        status=UpdateStatus.ROLLED_BACK if reversal else row.status,
        reason=f"update {reversal.id} took it back" if reversal else row.status_reason,
        skipped=skipped,
        created_at=row.created_at,
        finished_at=reversal.finished_at if reversal else row.finished_at,
    )
