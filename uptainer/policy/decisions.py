"""From findings to a decision: all rules run, all findings are kept, and the answer can be read back in words."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from uptainer.core.enums import ChangeLevel, CheckResult, PolicyMode
from uptainer.core.errors import InvalidInputError
from uptainer.core.findings import Finding, Verdict
from uptainer.core.images import Candidate
from uptainer.policy.counting import urgency_of
from uptainer.policy.rules import CANDIDATE_RULES, ENABLED, STATE_RULES, WINDOW
from uptainer.policy.subjects import DecisionSubject


class Outcome(StrEnum):
    """NONE: nothing to do. ASK: a person must approve. APPLY: now, without asking, or as approved."""

    NONE = "none"
    BLOCKED = "blocked"
    WAITING = "waiting"
    NOTIFY = "notify"
    ASK = "ask"
    APPLY = "apply"


@dataclass(frozen=True, slots=True)
class Decision:
    """`urgency` is how bad the worst vulnerability is that the candidate fixes: 4 critical, 3 high, 2, 1, and 0 for none.

    `candidate` is the one that it is about.
    """

    outcome: Outcome
    findings: tuple[Finding, ...]
    candidate: Candidate | None = None
    urgency: int = 0

    @property
    def until(self) -> datetime | None:
        """When all that it waits for is over; None where it waits for nothing, or for something without a time."""
        waits = [finding.until for finding in self.findings if finding.verdict is Verdict.WAIT]
        known = [until for until in waits if until is not None]
        return max(known) if known and len(known) == len(waits) else None

    @property
    def waits_for_window(self) -> bool:
        """It would be applied now, were a maintenance window open."""
        return self.outcome is Outcome.WAITING and _waiting(self.findings) == {WINDOW}


def decide(subject: DecisionSubject, now: datetime) -> Decision:
    """Run every rule and weigh what they found."""
    rules = STATE_RULES if subject.candidate is None else STATE_RULES + CANDIDATE_RULES
    findings = tuple(rule(subject, now) for rule in rules)
    return Decision(_weigh(subject, findings), findings, subject.candidate, urgency_of(subject, now))


def choose(subjects: Iterable[DecisionSubject], now: datetime) -> tuple[Decision, ...]:
    """Decide on each of a container's candidates, the best one first.

    Best is what can go ahead: applied now or in the next window, before what must be asked, told, waited for, and
    what is blocked; among those the highest level, and within a level the one given first. So a major version
    that needs a person does not hold up a patch that does not, and is asked for once the patch is in.

    Raises:
        InvalidInputError: there is nothing to choose from.
    """
    decisions = [decide(subject, now) for subject in subjects]
    if not decisions:
        raise InvalidInputError("there is nothing to choose from: give a subject without a candidate instead")
    return tuple(sorted(decisions, key=_rank, reverse=True))


def explain(decision: Decision) -> str:
    """The decision in plain words, finding by finding, the decisive ones first."""
    offered = decision.candidate
    about = f" {offered.reference.familiar} ({offered.digest[:19]})" if offered is not None else ""
    ordered = sorted(decision.findings, key=lambda each: _VERDICTS.index(each.verdict))
    lines = [f"  {finding.verdict:<7} {finding.rule}: {finding.reason}" for finding in ordered]
    return "\n".join([f"{_HEADLINES[decision.outcome]}{about}", *lines])


_VERDICTS = (Verdict.BLOCK, Verdict.WAIT, Verdict.ASK, Verdict.INFORM, Verdict.ALLOW)
_LEVELS = tuple(ChangeLevel)
_HEADLINES = {
    Outcome.NONE: "nothing to do",
    Outcome.BLOCKED: "blocked",
    Outcome.WAITING: "waiting",
    Outcome.NOTIFY: "told of, not applied",
    Outcome.ASK: "a person must decide",
    Outcome.APPLY: "to be applied",
}
_RANKS = (Outcome.NONE, Outcome.BLOCKED, Outcome.WAITING, Outcome.NOTIFY, Outcome.ASK, Outcome.APPLY)


def _weigh(subject: DecisionSubject, findings: tuple[Finding, ...]) -> Outcome:
    verdicts = {finding.verdict for finding in findings}
    waiting = _waiting(findings)
    if _is_off(findings) or (subject.candidate is None and subject.check is not CheckResult.UNKNOWN):
        outcome = Outcome.NONE
    elif Verdict.BLOCK in verdicts:
        outcome = Outcome.BLOCKED
    elif waiting - {WINDOW}:
        outcome = Outcome.WAITING
    elif subject.policy.mode is PolicyMode.NOTIFY and not subject.approved:
        outcome = Outcome.NOTIFY
    elif Verdict.ASK in verdicts and not subject.approved:
        outcome = Outcome.ASK
    else:
        outcome = Outcome.WAITING if waiting else Outcome.APPLY
    return outcome


def _waiting(findings: Iterable[Finding]) -> set[str]:
    return {finding.rule for finding in findings if finding.verdict is Verdict.WAIT}


def _is_off(findings: Iterable[Finding]) -> bool:
    return any(finding.rule == ENABLED and finding.verdict is Verdict.BLOCK for finding in findings)


def _rank(decision: Decision) -> tuple[int, int]:
    outcome = Outcome.APPLY if decision.waits_for_window else decision.outcome
    # UNORDERED is the last of the levels, and the least wanted.
    level = decision.candidate.level if decision.candidate is not None else ChangeLevel.UNORDERED
    return _RANKS.index(outcome), -1 if level is ChangeLevel.UNORDERED else _LEVELS.index(level)
