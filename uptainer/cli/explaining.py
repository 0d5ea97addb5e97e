"""Why an update is offered, waits or is blocked: the decision with every finding, and the advice behind it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from uptainer.cli.rows import heading, print_rows
from uptainer.cli.saying import say
from uptainer.core.enums import CheckResult
from uptainer.core.errors import InvalidInputError
from uptainer.core.findings import Advice, Finding
from uptainer.core.transitions import CLOSED, WAITING
from uptainer.fleet.deciding import findings_from, title_of
from uptainer.fleet.readiness import APPROVED, known_of
from uptainer.fleet.scope import hosts_switched_off, lookup_of
from uptainer.fleet.subjects import Fleet
from uptainer.policy.decisions import decide
from uptainer.store.repositories.approvals import ApprovalRepository
from uptainer.store.repositories.containers import ContainerRepository
from uptainer.store.repositories.updates import UpdateRepository

_DECISIVE_FIRST = ("block", "wait", "ask", "inform", "allow")


@dataclass(frozen=True, slots=True)
class FindingLine:
    verdict: str
    rule: str
    reason: str
    until: datetime | None


@dataclass(frozen=True, slots=True)
class AnswerLine:
    """`typed`: the name is a claim. `refusal` says why the answer was not taken."""

    at: datetime
    decision: str
    by: str
    typed: bool
    channel: str
    reason: str
    refusal: str


@dataclass(frozen=True, slots=True)
class AdviceLine:
    """`risk` runs from 0 (none) to 100; `by` is the rules, or the rules and a model."""

    recommendation: str
    risk: int
    by: str
    summary: str
    findings: tuple[FindingLine, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """`as_of` is when the decision was made; `advice` is None where nobody advised."""

    about: str
    stands: str
    outcome: str
    as_of: datetime
    findings: tuple[FindingLine, ...]
    advice: AdviceLine | None = None
    answers: tuple[AnswerLine, ...] = ()


def of_update(session: Session, update_id: int, now: datetime) -> Explanation:
    """An open update is decided on anew, for what was true when it was proposed may not be; a closed one is told."""
    update = UpdateRepository(session).by_id(update_id)
    outcome, findings, as_of = (
        str(update.decision.get("outcome", "")),
        findings_from(update.decision),
        update.created_at,
    )
    advice = None
    if update.candidate_id is not None:
        known, row = known_of(session, update)
        advice = known.advice.get(row.id) if row else None
        if row is not None and update.status not in CLOSED:
            approved = update.status in APPROVED
            known = known.at_any_time() if update.window_override else known
            decision = decide(known.decision_subject(row, approved=approved, ignoring_open=True), now)
            outcome, findings, as_of = str(decision.outcome), decision.findings, now
    stands = f"{update.status.replace('_', ' ')}: {update.status_reason}".rstrip(": ")
    off = hosts_switched_off(session).get(update.host_name)
    if off is not None and update.status in WAITING:
        stands += f"; {off}"
    if update.window_override:
        stands += f"; outside of its window, for: {update.window_override}"
    return Explanation(
        about=f"update {update.id} of {update.host_name}/{title_of(update)}",
        stands=stands,
        outcome=outcome,
        as_of=as_of,
        findings=_lines(findings),
        advice=_advice(advice),
        answers=_answers(session, update_id),
    )


def of_container(session: Session, address: str) -> Explanation:
    """The decision of the last check.

    Raises:
        NotFoundError: there is no such container.
        InvalidInputError: it was not checked yet.
    """
    view = ContainerRepository(session).by_address(address)
    if view.check is None or not view.check.decision:
        raise InvalidInputError(
            f"{view.address} was not checked yet, so nothing is decided: uptainer check {view.address}"
        )
    check = view.check
    known = Fleet.load(session, [view])[view.container.id]
    offered = check.decision.get("candidate") or {}
    rows = [row for row in known.candidates if row.digest == offered.get("digest")]
    about = f"{view.address}, which runs {view.container.image_reference}"
    result, reason = lookup_of(view)
    if offered and result is CheckResult.CANDIDATES:
        about += f" and could run {offered['reference']}"
    return Explanation(
        about=about,
        stands=f"{result.replace('_', ' ')}: {reason}".rstrip(": "),
        outcome=str(check.decision["outcome"]),
        as_of=check.last_checked_at,
        findings=_lines(findings_from(check.decision)),
        advice=_advice(known.advice.get(rows[0].id) if rows else None),
    )


def show(found: Explanation) -> None:
    say(found.about, bold=True)
    say(found.stands)
    if found.outcome:
        say(f"Decision: {found.outcome} (as of {found.as_of:%Y-%m-%d %H:%M} UTC)")
    columns = ("verdict", "rule", "reason", "until")
    heading("Findings")
    print_rows(found.findings, columns, as_json=False, nothing="none: it was not decided by rules")
    if found.advice is not None:
        advice = found.advice
        heading(f"Advice: {advice.recommendation}, risk {advice.risk} of 100, by {advice.by}")
        print_rows(advice.findings, columns[:3], as_json=False, nothing=advice.summary)
    if found.answers:
        heading("Answers")
        shown = ("at", "decision", "by", "typed", "channel", "reason", "refusal")
        print_rows(found.answers, shown, as_json=False, nothing="")


def _advice(advice: Advice | None) -> AdviceLine | None:
    return None if advice is None else advice_line(advice)


def advice_line(advice: Advice) -> AdviceLine:
    return AdviceLine(
        str(advice.recommendation), advice.risk, advice.source, advice.summary, _lines(advice.findings)
    )


def _lines(findings: Sequence[Finding]) -> tuple[FindingLine, ...]:
    ordered = sorted(findings, key=lambda each: _DECISIVE_FIRST.index(each.verdict))
    return tuple(FindingLine(str(each.verdict), each.rule, each.reason, each.until) for each in ordered)


def _answers(session: Session, update_id: int) -> tuple[AnswerLine, ...]:
    return tuple(
        AnswerLine(
            row.created_at,
            str(row.decision),
            row.answered_by,
            not row.authenticated,
            str(row.channel),
            row.reason,
            row.refusal,
        )
        for row in ApprovalRepository(session).for_update(update_id)
    )
