"""What would happen until a time, for the whole fleet: decided as the flows decide, and nothing of it done.

What is not known now stays so: candidates that a later check would find, and answers that people would give.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from uptainer.core.findings import Finding, Verdict
from uptainer.fleet.deciding import decide_anew
from uptainer.fleet.durations import durations_of
from uptainer.fleet.outlived import WITHDRAWN, is_withdrawn
from uptainer.fleet.policies import NOTHING, Key, PolicyBook
from uptainer.fleet.readiness import APPROVED, changes_since
from uptainer.fleet.subjects import Fleet, Known
from uptainer.fleet.views import candidate_of
from uptainer.policy.decisions import Decision, Outcome, decide
from uptainer.policy.schedule import ONE_BY_ONE, Bounds, PlannedUpdate, schedule
from uptainer.policy.windows import closes_at, next_opening
from uptainer.store.bulk import any_of
from uptainer.store.database import Database
from uptainer.store.models import CandidateRow, Update
from uptainer.store.repositories.containers import ContainerRepository
from uptainer.store.repositories.updates import UpdateRepository
from uptainer.updates.gate import ASKED

_TURNS = 20
"""So often at most is one container decided on, each time when what it waited for is over."""


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What would become of one container. `at` is when, for what would be applied."""

    workload: str
    outcome: str
    at: datetime | None
    candidate: str
    why: str


@dataclass(frozen=True, slots=True)
class _Case:
    known: Known
    decision: Decision
    row: CandidateRow | None
    at: datetime
    anew: bool
    left: Finding | None = field(default=None)


def simulate(
    database: Database,
    now: datetime,
    until: datetime,
    *,
    host: str | None = None,
    instead: Mapping[Key, Mapping[str, Any]] = NOTHING,
    bounds: Bounds = ONE_BY_ONE,
) -> Sequence[Foreseen]:
    """A line for each container of the fleet, what would be applied first, in its order.

    `instead` are layers of policy as they might be, in place of the stored ones, and as if they had been so from the
    beginning: what waits for an answer now is decided on anew.
    """
    with database.session() as session:
        book = PolicyBook.load(session, instead)
        views = ContainerRepository(session).listing(host=host)
        offered = _on_their_way(session, [view.container.id for view in views])
        fleet = Fleet.load(session, views, also=offered, book=book)
        foreseen = [_foresee(known, now, until, anew=bool(instead)) for known in fleet]
        expected = durations_of(session, [view.container.id for view in views])
        cases = _scheduled(foreseen, expected, until, bounds)
    return [_line(case) for case in sorted(cases, key=_order)]


def _on_their_way(session: Session, containers: Sequence[int]) -> Sequence[CandidateRow]:
    """The candidates of open updates, also where the last lookup no longer gave them."""
    ours = set(containers)
    wanted = [row.candidate_id for row in UpdateRepository(session).open() if row.container_id in ours]
    return session.scalars(select(CandidateRow).where(any_of(CandidateRow.id, wanted))).all()


def _foresee(known: Known, now: datetime, until: datetime, *, anew: bool) -> _Case:
    at = now
    for _ in range(_TURNS):
        case = _decide(known, at, anew=anew)
        over = case.decision.until
        if case.decision.outcome is not Outcome.WAITING or over is None or not at < over <= until:
            break
        at = over
    return case


def _foresee_again(left: _Case, until: datetime) -> _Case | None:
    """What did not fit into its window, at the next one; None where there is none until then."""
    policy, at = left.known.policy.policy, left.at
    closes = closes_at(policy.windows, policy.freezes, at)
    opens = next_opening(policy.windows, policy.freezes, closes) if closes is not None else None
    if left.left is None or left.left.verdict is not Verdict.WAIT or opens is None or opens > until:
        return None
    again = _foresee(left.known, opens, until, anew=left.anew)
    return again if again.decision.outcome is Outcome.APPLY else None


def _decide(known: Known, at: datetime, *, anew: bool) -> _Case:
    """What a person approved is carried out, and what one was asked about waits for the answer, unless it is decided on
    `anew`, as another policy would have it from the beginning.
    """
    standing = known.open_update
    if standing is None or (anew and not _is_a_persons(known)):
        return _Case(known, *decide_anew(known, at), at, anew)
    row = next((each for each in known.candidates if each.id == standing.candidate_id), None)
    if standing.status not in APPROVED:
        return _Case(known, _standing(standing, row), row, at, anew)
    asked = known.at_any_time() if standing.window_override else known
    approved = _is_a_persons(known)
    if not approved and row and is_withdrawn(known, row):
        withdrawn = Finding("open_update", Verdict.BLOCK, WITHDRAWN)
        return _Case(known, Decision(Outcome.BLOCKED, (withdrawn,), candidate_of(row)), row, at, anew)
    subject = asked.decision_subject(row, approved=approved, ignoring_open=True, chosen=True)
    decision = decide(subject, at)
    changed = changes_since(standing, known, row, decision) if approved and row else ()
    return _Case(known, _asked_anew(changed, decision), row, at, anew)


def _asked_anew(changed: Sequence[str], decision: Decision) -> Decision:
    """What a person approved opens its gate again where the approval does not cover it any more."""
    asked = tuple(Finding("approval", Verdict.ASK, each) for each in changed)
    return replace(decision, outcome=Outcome.ASK, findings=asked) if asked else decision


def _standing(update: Update, row: CandidateRow | None) -> Decision:
    candidate = candidate_of(row) if row else None
    if update.status in ASKED:
        said = Finding("open_update", Verdict.ASK, f"update {update.id} waits for an answer")
        return Decision(Outcome.ASK, (said,), candidate, update.urgency)
    said = Finding("open_update", Verdict.WAIT, f"update {update.id} is {update.status.replace('_', ' ')}")
    return Decision(Outcome.WAITING, (said,), candidate, update.urgency)


def _scheduled(
    cases: Sequence[_Case], expected: Mapping[int, timedelta], until: datetime, bounds: Bounds
) -> list[_Case]:
    """On each server one after the other, within its bounds, from the time at which they may begin; what does not fit is
    carried over.
    """
    found = [case for case in cases if case.decision.outcome is not Outcome.APPLY]
    groups: dict[tuple[datetime, int], list[_Case]] = {}
    turns = Counter[str]()

    def put(case: _Case) -> None:
        turns[case.known.view.address] += 1
        groups.setdefault((case.at, case.known.view.host.server_id), []).append(case)

    for case in cases:
        if case.decision.outcome is Outcome.APPLY:
            put(case)
    while groups:
        begin = min(groups)
        for case in _in_turn(groups.pop(begin), begin[0], expected, bounds):
            again = _foresee_again(case, until) if turns[case.known.view.address] < _TURNS else None
            if again is None:
                found.append(case)
            else:
                put(again)
    return found


def _in_turn(
    group: Sequence[_Case], at: datetime, expected: Mapping[int, timedelta], bounds: Bounds
) -> Iterator[_Case]:
    cases = {case.known.view.address: case for case in group}
    done = schedule([_planned(case, at, expected) for case in group], at, bounds=bounds)
    for start in done.starts:
        yield replace(cases[start.update.key], at=start.at)
    for update, finding in done.left:
        yield replace(cases[update.key], left=finding)


def _planned(case: _Case, at: datetime, expected: Mapping[int, timedelta]) -> PlannedUpdate:
    known, standing = case.known, case.known.open_update
    policy, host = known.policy.policy, known.view.host.name
    needs = {*known.facts.depends_on, *policy.depends_on} - {known.facts.key}
    return PlannedUpdate(
        key=known.view.address,
        approved_at=(standing.approved_at if standing else None) or at,
        duration=expected[known.view.container.id],
        urgency=case.decision.urgency,
        depends_on=frozenset(f"{host}/{each}" for each in needs),
        host=host,
        closes_at=None
        if standing and standing.window_override
        else closes_at(policy.windows, policy.freezes, at),
    )


def _line(case: _Case) -> Foreseen:
    applied = case.decision.outcome is Outcome.APPLY and case.left is None
    return Foreseen(
        workload=case.known.view.address,
        outcome=str(Outcome.WAITING if case.left else case.decision.outcome),
        at=case.at if applied else None,
        candidate=case.row.reference.rpartition("/")[2] if case.row else "",
        why=case.left.reason if case.left else _why(case),
    )


def _why(case: _Case) -> str:
    """What is decisive; for what would be applied, whose word that is."""
    if case.decision.outcome is Outcome.APPLY:
        return "a person approved it" if _is_a_persons(case.known) else "the policy applies it without asking"
    said = [
        finding.reason
        for verdict in (Verdict.BLOCK, Verdict.WAIT, Verdict.ASK)
        for finding in case.decision.findings
        if finding.verdict is verdict
    ]
    check = case.known.view.check
    return "; ".join(said) or (check.reason if check else "it was not checked yet")


def _is_a_persons(known: Known) -> bool:
    return known.open_update is not None and known.open_update.status in APPROVED and not known.by_policy


def _order(case: _Case) -> tuple[bool, datetime, str]:
    applied = case.decision.outcome is Outcome.APPLY and case.left is None
    return not applied, case.at, case.known.view.address
