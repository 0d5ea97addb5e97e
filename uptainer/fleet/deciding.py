"""From all that is known to proposals: every container is decided on, every decision is kept, and the rest follows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from uptainer.core.enums import ApprovalChannel, ApprovalDecision, UpdateStatus
from uptainer.core.findings import Finding, Verdict
from uptainer.core.text import one_line
from uptainer.fleet.checking import selected
from uptainer.fleet.outlived import give_up_outlived, give_up_withdrawn
from uptainer.fleet.subjects import Fleet, Known
from uptainer.policy.decisions import Decision, Outcome, choose, decide
from uptainer.store.database import Database
from uptainer.store.models import CandidateRow, Update
from uptainer.store.repositories.approvals import Answer, ApprovalRepository
from uptainer.store.repositories.audit import Actor
from uptainer.store.repositories.checks import CheckRepository
from uptainer.store.repositories.proposals import Proposal
from uptainer.store.repositories.updates import UpdateRepository

POLICY = Actor("policy", authenticated=True)


@dataclass(frozen=True, slots=True)
class NewUpdate:
    """An update that was proposed just now; `approved` by policy, or for a person to decide."""

    id: int
    title: str
    host: str
    workload: str
    approved: bool


@dataclass(frozen=True, slots=True)
class DecisionReport:
    """`outcomes` counts the containers by what was decided for them."""

    outcomes: Mapping[Outcome, int]
    proposed: tuple[NewUpdate, ...]


def decide_fleet(
    database: Database, now: datetime, *, address: str | None = None, repository: str | None = None
) -> DecisionReport:
    """Decide on every container, and propose what may go ahead or must be asked for; one transaction."""
    with database.session() as session:
        give_up_outlived(session, now)
        views = selected(session, address, repository)
        fleet = Fleet.load(session, views)
        if give_up_withdrawn(session, fleet, now):
            fleet = Fleet.load(session, views)
        decisions = {known.view.container.id: decide_one(known, now) for known in fleet}
        CheckRepository(session).keep_decisions(
            {container: as_json(decision) for container, (decision, _) in decisions.items()}
        )
        proposals = [
            _proposal(fleet[container], *each, now)
            for container, each in decisions.items()
            if _goes_on(each[0])
        ]
        created = UpdateRepository(session).propose(proposals, now).created
        unattended = {container for container, (decision, _) in decisions.items() if _is_unattended(decision)}
        _approve(session, [update for update in created if update.container_id in unattended], now)
    return DecisionReport(
        _count(decision for decision, _ in decisions.values()),
        tuple(new_update(update, approved=update.container_id in unattended) for update in created),
    )


def decide_one(known: Known, now: datetime) -> tuple[Decision, CandidateRow | None]:
    """The decision on the best of a container's candidates, with its row; or on there being none.

    Which one is the best does not depend on which is on its way already: else two would take turns.
    """
    row = decide_anew(known, now)[1]
    return decide(known.decision_subject(row), now), row


def decide_anew(known: Known, now: datetime) -> tuple[Decision, CandidateRow | None]:
    """As `decide_one`, as if nothing were on its way."""
    if not known.candidates:
        return decide(known.decision_subject(None, ignoring_open=True), now), None
    best = choose([known.decision_subject(row, ignoring_open=True) for row in known.candidates], now)[0]
    rows = {(row.reference, row.digest): row for row in known.candidates}
    assert best.candidate is not None, "each of these subjects has a candidate"
    return best, rows[str(best.candidate.reference), best.candidate.digest]


def as_json(decision: Decision, brings: Sequence[str] = ()) -> dict[str, Any]:
    """A decision as it is stored, with every finding; `brings` is what the candidate adds, to be compared later."""
    offered = decision.candidate
    return {
        "outcome": decision.outcome,
        "urgency": decision.urgency,
        "candidate": {"reference": offered.reference.familiar, "digest": offered.digest} if offered else None,
        "findings": [
            {**asdict(each), "until": each.until.isoformat() if each.until else None}
            for each in decision.findings
        ],
        "brings": list(brings),
    }


def findings_from(document: Mapping[str, Any]) -> tuple[Finding, ...]:
    """The findings of a stored decision."""
    return tuple(
        Finding(
            each["rule"],
            Verdict(each["verdict"]),
            each["reason"],
            until=datetime.fromisoformat(each["until"]) if each["until"] else None,
        )
        for each in document.get("findings", ())
    )


def _goes_on(decision: Decision) -> bool:
    return decision.outcome is Outcome.ASK or _is_unattended(decision)


def _is_unattended(decision: Decision) -> bool:
    return decision.outcome is Outcome.APPLY or decision.waits_for_window


def _proposal(known: Known, decision: Decision, row: CandidateRow | None, now: datetime) -> Proposal:
    assert row is not None, "only what has a candidate goes on"
    container, image = known.view.container, known.view.image
    policy = known.policy.policy
    return Proposal(
        container_id=container.id,
        candidate_id=row.id,
        host_name=known.view.host.name,
        workload=container.key,
        from_reference=container.image_reference,
        from_digest=image.digest if image else container.image_id,
        from_image_id=container.image_id,
        from_version=known.version,
        to_reference=row.reference,
        to_digest=row.digest,
        to_version=row.version,
        level=row.level,
        platform=container.platform,
        urgency=decision.urgency,
        decision=as_json(decision, known.brings(row)),
        policy=policy.model_dump(mode="json"),
        expires_at=None if _is_unattended(decision) else now + policy.approval_expiry,
        over_approved=_is_over_approved(known, decision),
    )


def _is_over_approved(known: Known, decision: Decision) -> bool:
    """What a person approved stands, but for something more urgent; the policy may go on to what it approves now."""
    standing = known.open_update
    more_urgent = decision.urgency > (standing.urgency if standing else 0)
    return more_urgent or (known.by_policy and _is_unattended(decision))


def _approve(session: Session, updates: Sequence[Update], now: datetime) -> None:
    """The policy's own approval, on the record like a person's."""
    answer = Answer(
        ApprovalDecision.APPROVE, ApprovalChannel.POLICY, POLICY, "the policy applies it without asking"
    )
    ApprovalRepository(session).record_all(updates, answer, now)
    UpdateRepository(session).transition_all(
        [update.id for update in updates],
        (UpdateStatus.PROPOSED,),
        UpdateStatus.APPROVED,
        reason=answer.reason,
        actor=POLICY,
        now=now,
    )


def title_of(update: Update) -> str:
    """`web-1: nginx 1.27.2 -> 1.27.4`, or with the digests where no version tells the two apart. It is one line."""
    name = update.to_reference.partition("@")[0].rpartition("/")[2].partition(":")[0]
    before, after = update.from_version, update.to_version
    if not (before and after) or before == after:
        before = f"{_tag(update.from_reference)}@{update.from_digest[7:15]}"
        after = f"{_tag(update.to_reference)}@{update.to_digest[7:15]}"
    return one_line(f"{update.workload}: {name} {before} -> {after}")


def _tag(reference: str) -> str:
    return reference.partition("@")[0].rpartition("/")[2].partition(":")[2] or "latest"


def new_update(update: Update, *, approved: bool) -> NewUpdate:
    return NewUpdate(update.id, title_of(update), update.host_name, update.workload, approved)


def _count(decisions: Iterable[Decision]) -> Mapping[Outcome, int]:
    counts = dict.fromkeys(Outcome, 0)
    for decision in decisions:
        counts[decision.outcome] += 1
    return counts
