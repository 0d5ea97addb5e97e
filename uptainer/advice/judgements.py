"""What one rule makes of a candidate, and how judgements are put together.

Risk is the sum of the rules' points, at most 100. No rule gives fewer than none, so another concern never lowers the
risk. The recommendation is the strictest that any rule asks for, and at least what the risk asks for: REVIEW from 50,
HOLD from 75. A good thing (a fixed vulnerability) is said, and takes nothing away: it is no answer to a concern.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from uptainer.core.enums import RecommendationType
from uptainer.core.findings import RECOMMENDATION_ORDER, Finding, Verdict

APPLY, REVIEW, HOLD = RecommendationType.APPLY, RecommendationType.REVIEW, RecommendationType.HOLD
MAX_RISK = 100
_REVIEW_FROM = 50
_HOLD_FROM = 75


@dataclass(frozen=True, slots=True)
class Judgement:
    """`asks_for` is the least strict recommendation that the rule can live with; `points` its part of the risk.

    `in_favour` marks one that speaks for the candidate, rather than not against it.
    """

    rule: str
    reason: str
    points: int = 0
    asks_for: RecommendationType = APPLY
    in_favour: bool = False

    @property
    def finding(self) -> Finding:
        """HOLD is a BLOCK. It is advice all the same: whether it stops an update is for the policy to say."""
        if self.asks_for is HOLD:
            return Finding(self.rule, Verdict.BLOCK, self.reason)
        return Finding(self.rule, Verdict.ALLOW if self.in_favour else Verdict.INFORM, self.reason)


def risk_of(judgements: Iterable[Judgement]) -> int:
    return min(MAX_RISK, sum(judgement.points for judgement in judgements))


def recommendation_of(judgements: Iterable[Judgement]) -> RecommendationType:
    judged = tuple(judgements)
    return strictest([*(judgement.asks_for for judgement in judged), demanded_by(risk_of(judged))])


def demanded_by(risk: int) -> RecommendationType:
    if risk >= _HOLD_FROM:
        return HOLD
    return REVIEW if risk >= _REVIEW_FROM else APPLY


def strictest(recommendations: Iterable[RecommendationType]) -> RecommendationType:
    return max(recommendations, key=RECOMMENDATION_ORDER.index)
