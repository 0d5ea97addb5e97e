"""Whether an approved update may begin now: its policy and its window are asked again, whatever started the run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from uptainer.core.enums import UpdateStatus
from uptainer.core.findings import Verdict
from uptainer.fleet.durations import durations, rest_of
from uptainer.fleet.outlived import WITHDRAWN, is_withdrawn
from uptainer.fleet.scope import left_alone
from uptainer.fleet.subjects import Fleet, Known
from uptainer.policy.decisions import Decision, Outcome, decide
from uptainer.policy.durations import format_duration
from uptainer.policy.rules import LABELS
from uptainer.policy.security import SECRETS
from uptainer.policy.settings import EffectivePolicy
from uptainer.policy.signing import SIGNATURE
from uptainer.policy.windows import closes_at, next_opening, openings
from uptainer.store.bulk import any_of
from uptainer.store.database import Database
from uptainer.store.models import CandidateRow, Update
from uptainer.store.repositories.audit import SYSTEM
from uptainer.store.repositories.containers import ContainerRepository
from uptainer.store.repositories.updates import UpdateRepository
from uptainer.updates.gate import reopen

APPROVED = (UpdateStatus.APPROVED, UpdateStatus.WAITING_FOR_WINDOW)
_COVERED = frozenset({SIGNATURE, SECRETS, LABELS})
"""Where an approval covers no more than what its account said."""
UNSEEN = "it is not known which image it runs: no instance of it is seen"
_YEAR = timedelta(days=366)
_UNATTENDED = (Outcome.APPLY, Outcome.WAITING, Outcome.BLOCKED, Outcome.NONE)


@dataclass(frozen=True, slots=True)
class Readiness:
    """`go`, or why not, and since when it may, where that is known. `closes_at` is when its window closes."""

    go: bool
    reason: str
    opens_at: datetime | None = None
    closes_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Hindrance:
    """Why it may not begin now, and until when, where that is known. What `changed` is asked about anew."""

    reason: str
    until: datetime | None = None
    changed: tuple[str, ...] = ()


def known_of(session: Session, update: Update) -> tuple[Known, CandidateRow | None]:
    """What is known of an update's container, and its candidate also where the last lookup no longer gave it."""
    return known_of_all(session, [update])[update.id]


def known_of_all(
    session: Session, updates: Sequence[Update]
) -> Mapping[int, tuple[Known, CandidateRow | None]]:
    """As `known_of`, by update id, in a constant number of statements."""
    wanted = [update.candidate_id for update in updates if update.candidate_id is not None]
    found = session.scalars(select(CandidateRow).where(any_of(CandidateRow.id, wanted))).all()
    rows = {row.id: row for row in found}
    containers = [update.container_id for update in updates]
    views = ContainerRepository(session).by_ids(containers, with_removed=True)
    fleet = Fleet.load(session, views, also=found)
    return {update.id: (fleet[update.container_id], rows.get(update.candidate_id or 0)) for update in updates}


def readiness(database: Database, update_id: int, now: datetime) -> Readiness:
    """Ask again; an approved update that has to wait is marked so, and one that must be asked for anew is."""
    with database.session() as session:
        update = UpdateRepository(session).by_id(update_id, lock=True)
        return readiness_of(session, [update], now)[update_id]


def readiness_of(session: Session, updates: Sequence[Update], now: datetime) -> Mapping[int, Readiness]:
    """As `readiness`, by update id. The caller has locked the rows; only a row that turns is written."""
    asked = [update for update in updates if update.status in APPROVED and update.reverses_id is None]
    today = known_of_all(session, asked)
    known = _without_overridden_windows(asked, today)
    expected = durations(session, asked)
    answers = {update.id: Readiness(go=True, reason="") for update in updates}
    for update in asked:
        _follow_policy(session, update, today[update.id][0])
        container, row = known[update.id]
        found = _find_hindrance(update, container, row or _as_offered(update), expected[update.id], now)
        answers[update.id] = _answer(session, update, container, found, now)
    return answers


def find_hindrance(database: Database, update_id: int, now: datetime) -> str:
    """Why an update may not go on now, or "".

    What is approved may not begin, and is marked as by `readiness`; what is prepared may not touch its workload, and of
    that nothing is written.
    """
    with database.session() as session:
        update = UpdateRepository(session).by_id(update_id, lock=True)
        if update.status in APPROVED:
            return readiness_of(session, [update], now)[update_id].reason
        if update.reverses_id is not None:
            return ""
        known = _without_overridden_windows([update], known_of_all(session, [update]))
        container, row = known[update_id]
        rest = rest_of(session, update)
        found = _find_hindrance(update, container, row or _as_offered(update), rest, now)
    return found.reason if found else ""


def _without_overridden_windows(
    updates: Sequence[Update], known: Mapping[int, tuple[Known, CandidateRow | None]]
) -> Mapping[int, tuple[Known, CandidateRow | None]]:
    overridden = {update.id for update in updates if update.window_override}
    return {
        number: (container.at_any_time() if number in overridden else container, row)
        for number, (container, row) in known.items()
    }


def _follow_policy(session: Session, update: Update, known: Known) -> None:
    """What the policy approved is done as it says by now; what a person approved, as their account says."""
    policy = known.policy.policy.model_dump(mode="json")
    if known.by_policy and policy != update.policy:
        UpdateRepository(session).amend(update.id, policy=policy)


def _answer(
    session: Session, update: Update, known: Known, found: _Hindrance | None, now: datetime
) -> Readiness:
    if found is None:
        policy = known.policy.policy
        return Readiness(go=True, reason="", closes_at=closes_at(policy.windows, policy.freezes, now))
    if found.changed:
        return _ask_anew(session, update, known, found.changed, now)
    return _wait(session, update, found.reason, found.until, now)


def _find_hindrance(
    update: Update, known: Known, row: CandidateRow, duration: timedelta, now: datetime
) -> _Hindrance | None:
    """Why it may not begin; nothing is begun that would not be done in time."""
    subject = known.decision_subject(row, approved=not known.by_policy, ignoring_open=True, chosen=True)
    decision = decide(subject, now)
    changed = changes_since(update, known, row, decision)
    if changed:
        return _Hindrance("; ".join(changed), changed=changed)
    if left := _left_as_it_is(known, row):
        return _Hindrance(left)
    policy = known.policy.policy
    if decision.outcome is not Outcome.APPLY:
        never = _never_done(policy, duration, now) if decision.waits_for_window else ""
        return _Hindrance(_reason(decision) + never, decision.until)
    closes = closes_at(policy.windows, policy.freezes, now)
    if closes is not None and now + duration > closes:
        reason = f"it would not be done when the window closes at {closes:%Y-%m-%d %H:%M %Z}"
        opens = next_opening(policy.windows, policy.freezes, closes)
        return _Hindrance(reason + _never_done(policy, duration, now), opens)
    return None


def _left_as_it_is(known: Known, row: CandidateRow) -> str:
    """Why it is, whatever its policy and its windows say; "" where it is not."""
    excluded = left_alone(known.view)
    if excluded is not None:
        return excluded
    if known.by_policy and is_withdrawn(known, row):
        return WITHDRAWN
    return "" if known.facts.knows_image else UNSEEN


def _never_done(policy: EffectivePolicy, duration: timedelta, now: datetime) -> str:
    """What takes longer than any of its windows lasts would wait for ever, and only a person can help it."""
    coming = openings(policy.windows, policy.freezes, now, now + _YEAR)
    if max((each.closes - each.opens for each in coming), default=duration) >= duration:
        return ""
    return (
        f"; none of its windows is open for the {format_duration(duration)} that it is expected to take: give it a longer "
        "one, or override it once (`uptainer update ID --override-window REASON`)"
    )


def changes_since(update: Update, known: Known, row: CandidateRow, decision: Decision) -> tuple[str, ...]:
    """What the approval no longer covers: for the policy's own, whatever it would ask about now."""
    if known.by_policy:
        asked = [each.reason for each in decision.findings if each.verdict is Verdict.ASK]
        return () if decision.outcome in _UNATTENDED else tuple(asked) or (_reason(decision),)
    return (*worse_since(update, known, row), *_asked_since(update, known, decision))


def _asked_since(update: Update, known: Known, decision: Decision) -> tuple[str, ...]:
    """What a person would be asked about now and was not when they looked: a trust is another one since, an allowance is
    over. Nobody has approved anything of a policy that cannot be read, and its windows and limits with it.
    """
    before = {each["rule"]: each["verdict"] for each in update.decision.get("findings", ())}
    new = {rule for rule in _COVERED if before.get(rule) in {Verdict.ALLOW, Verdict.INFORM}}
    new |= {LABELS} if known.policy.unread else set()
    now = [each for each in decision.findings if each.rule in new and each.verdict is Verdict.ASK]
    return tuple(each.reason for each in now)


def worse_since(update: Update, known: Known, row: CandidateRow) -> tuple[str, ...]:
    """What the candidate's scan found since the decision that the update's account speaks of, in words."""
    before = set(update.decision.get("brings", ()))
    return tuple(f"its scan now also finds {each}" for each in known.brings(row) if each not in before)


def _ask_anew(
    session: Session, update: Update, known: Known, changed: tuple[str, ...], now: datetime
) -> Readiness:
    """Its gate opens again, with a new account and the whole time to answer."""
    again = reopen(session, update.id, changed, now)
    expires = now + known.policy.policy.approval_expiry
    UpdateRepository(session).amend(update.id, account_hash="", expires_at=expires, opens_at=None)
    return Readiness(go=False, reason=again.status_reason)


def _reason(decision: Decision) -> str:
    reasons = [each.reason for each in decision.findings if each.verdict in {Verdict.BLOCK, Verdict.WAIT}]
    return "; ".join(reasons) or f"the decision on it is {decision.outcome}"


def _wait(session: Session, update: Update, reason: str, opens: datetime | None, now: datetime) -> Readiness:
    updates = UpdateRepository(session)
    values: dict[str, Any] = {"opens_at": opens}
    if update.status is UpdateStatus.APPROVED:
        waiting = UpdateStatus.WAITING_FOR_WINDOW
        updates.transition(
            update.id, (UpdateStatus.APPROVED,), waiting, reason=reason, actor=SYSTEM, now=now, **values
        )
    elif (update.status_reason, update.opens_at) != (reason, opens):
        updates.amend(update.id, status_reason=reason, **values)
    return Readiness(go=False, reason=reason, opens_at=opens)


def _as_offered(update: Update) -> CandidateRow:
    """The candidate as the update remembers it, where its own row is gone."""
    return CandidateRow(
        id=0,
        container_id=update.container_id,
        reference=update.to_reference,
        digest=update.to_digest,
        level=update.level,
        version=update.to_version,
        labels={},
        found_at=update.created_at,
        last_seen_at=update.created_at,
    )
