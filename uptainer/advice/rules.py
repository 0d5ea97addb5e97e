"""The rules' advice on one candidate: all rules run, each gives a finding, and every finding is kept."""

from uptainer.advice.change_rules import judge_age, judge_direction, judge_level
from uptainer.advice.judgements import APPLY, HOLD, Judgement, recommendation_of, risk_of
from uptainer.advice.notes_rules import judge_notes
from uptainer.advice.security_rules import judge_difference, judge_end_of_life, judge_scan, judge_secrets
from uptainer.advice.subject import AdviceSubject
from uptainer.advice.workload_rules import judge_failures, judge_healthcheck, judge_state
from uptainer.core.findings import Advice

RULES = (
    judge_level,
    judge_age,
    judge_direction,
    judge_scan,
    judge_difference,
    judge_end_of_life,
    judge_secrets,
    judge_state,
    judge_healthcheck,
    judge_failures,
)
_OPENINGS = {APPLY: "Apply it", HOLD: "Hold it back"}


def advise(subject: AdviceSubject) -> Advice:
    """What the rules say of the candidate; pure, and never silent."""
    judgements = judge(subject)
    risk = risk_of(judgements)
    return Advice(
        recommendation=recommendation_of(judgements),
        risk=risk,
        findings=tuple(judgement.finding for judgement in judgements),
        summary=_summarise(subject, judgements),
    )


def judge(subject: AdviceSubject) -> tuple[Judgement, ...]:
    return (*(rule(subject) for rule in RULES), *judge_notes(subject))


def _summarise(subject: AdviceSubject, judgements: tuple[Judgement, ...]) -> str:
    """The recommendation, and what weighs most for it."""
    recommendation, risk = recommendation_of(judgements), risk_of(judgements)
    opening = _OPENINGS.get(recommendation, "Look at it first")
    said = [
        judgement.reason
        for judgement in judgements
        if judgement.in_favour and judgement.rule == "vulnerabilities"
    ]
    if recommendation is not APPLY:
        heaviest = sorted(
            judgements, key=lambda judgement: (judgement.asks_for is not recommendation, -judgement.points)
        )
        said = [heaviest[0].reason]
    because = f": {said[0]}" if said else ""
    return f"{opening} ({subject.change}, risk {risk} of 100){because}."
