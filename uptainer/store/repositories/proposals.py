"""Proposals of updates, and what becomes of them beside the updates that are open already."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from uptainer.core.enums import ChangeLevel, UpdateStatus
from uptainer.store.models import Update

UNANSWERED = (UpdateStatus.PROPOSED, UpdateStatus.AWAITING_APPROVAL)
ANSWERED = (UpdateStatus.APPROVED, UpdateStatus.WAITING_FOR_WINDOW)


@dataclass(frozen=True, slots=True)
class Proposal:
    """One update to be proposed.

    `over_approved` says that it may also take the place of an update that was approved and waits for its window; else
    only of one that nobody has answered.
    """

    container_id: int
    candidate_id: int | None
    host_name: str
    workload: str
    from_reference: str
    from_digest: str
    from_image_id: str
    to_reference: str
    to_digest: str
    level: ChangeLevel
    decision: Mapping[str, Any]
    policy: Mapping[str, Any]
    from_version: str | None = None
    to_version: str | None = None
    platform: str | None = None
    urgency: int = 0
    batch: str | None = None
    expires_at: datetime | None = None
    reverses_id: int | None = None
    over_approved: bool = False


@dataclass(frozen=True, slots=True)
class Proposed:
    """`standing` were left as they are: the same digest is on its way already, or an update is under way."""

    created: tuple[Update, ...]
    superseded: tuple[int, ...]
    standing: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Sorted:
    """Which proposals are inserted, which open updates they replace, and which open updates stand."""

    fresh: tuple[Proposal, ...]
    replaced: tuple[int, ...]
    standing: tuple[int, ...]


def sort_out(proposals: Sequence[Proposal], open_rows: Sequence[Update]) -> Sorted:
    """Of several proposals for one container, the first is taken."""
    standing = {row.container_id: row for row in open_rows}
    first: dict[int, Proposal] = {}
    for each in proposals:
        first.setdefault(each.container_id, each)
    fresh = [each for each in first.values() if _may_begin(each, standing.get(each.container_id))]
    begun = {each.container_id for each in fresh}
    return Sorted(
        tuple(fresh),
        tuple(row.id for row in open_rows if row.container_id in begun),
        tuple(row.id for row in open_rows if row.container_id not in begun),
    )


def row_of(proposal: Proposal, now: datetime) -> dict[str, Any]:
    """The columns of a new update."""
    values = asdict(proposal)
    del values["over_approved"]
    return {**values, "status": UpdateStatus.PROPOSED, "created_at": now}


def _may_begin(proposal: Proposal, standing: Update | None) -> bool:
    if standing is None:
        return True
    if (standing.to_reference, standing.to_digest) == (proposal.to_reference, proposal.to_digest):
        return False
    return standing.status in UNANSWERED or (proposal.over_approved and standing.status in ANSWERED)
