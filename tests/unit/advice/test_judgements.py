import pytest
from hypothesis import given
from hypothesis import strategies as st

from uptainer.advice.judgements import Judgement, demanded_by, recommendation_of, risk_of, strictest
from uptainer.core.enums import RecommendationType
from uptainer.core.findings import RECOMMENDATION_ORDER

APPLY, REVIEW, HOLD = RecommendationType
JUDGEMENTS = st.builds(
    Judgement,
    st.just("rule"),
    st.just("reason"),
    st.integers(0, 100),
    st.sampled_from(list(RecommendationType)),
)


@given(st.lists(JUDGEMENTS), JUDGEMENTS)
def test_another_judgement_never_makes_it_safer(judgements: list[Judgement], another: Judgement) -> None:
    more = [*judgements, another]
    assert risk_of(more) >= risk_of(judgements)
    strict = RECOMMENDATION_ORDER.index
    assert strict(recommendation_of(more)) >= strict(recommendation_of(judgements))
    assert strict(recommendation_of(more)) >= strict(another.asks_for)
    assert 0 <= risk_of(more) <= 100


@pytest.mark.parametrize(
    ("risk", "demanded"), [(0, APPLY), (49, APPLY), (50, REVIEW), (74, REVIEW), (75, HOLD), (100, HOLD)]
)
def test_a_high_risk_asks_for_more_by_itself(risk: int, demanded: RecommendationType) -> None:
    assert demanded_by(risk) is demanded


def test_the_strictest_wins() -> None:
    assert strictest([APPLY, HOLD, REVIEW]) is HOLD
    assert recommendation_of([]) is APPLY
