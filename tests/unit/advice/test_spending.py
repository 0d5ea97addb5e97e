from decimal import Decimal

import pytest

from uptainer.advice.spending import DailyLimits, Prices, admit, worst_case
from uptainer.core.consultations import Usage
from uptainer.core.errors import RefusedError

WANTED = Usage(1, 60.0, 1000, 500, Decimal("0.02"))
ROOM: list[tuple[str, DailyLimits, Usage]] = [
    ("no limit", DailyLimits(), Usage(10**6, 10.0**6, 10**9, 10**9, Decimal(10**6))),
    ("the last question", DailyLimits(calls=5), Usage(4)),
    ("just enough tokens", DailyLimits(tokens=2000), Usage(1, 0.0, 300, 200)),
    ("just enough money", DailyLimits(cost=Decimal("0.05")), Usage(1, cost=Decimal("0.03"))),
    ("nothing spent yet", DailyLimits(cost=Decimal("0.02")), Usage()),
]


@pytest.mark.parametrize(("limits", "spent"), [case[1:] for case in ROOM], ids=[case[0] for case in ROOM])
def test_a_question_is_admitted_while_there_is_room_for_it(limits: DailyLimits, spent: Usage) -> None:
    assert admit(spent, limits, WANTED) == 60.0


SPENT: list[tuple[DailyLimits, Usage, str]] = [
    (DailyLimits(calls=5), Usage(5), "its budget of 5 questions for today .* is spent: 5 used"),
    (DailyLimits(tokens=2000), Usage(1, 0.0, 300, 201), "its budget of 2000 tokens for today"),
    (
        DailyLimits(cost=Decimal("0.05")),
        Usage(1, cost=Decimal("0.030001")),
        "its budget of 0.05 for today .*may take 0.02",
    ),
    (DailyLimits(seconds=100), Usage(1, 99.5), "its budget of 100 seconds for today"),
]


@pytest.mark.parametrize(("limits", "spent", "says"), SPENT)
def test_a_spent_budget_is_named(limits: DailyLimits, spent: Usage, says: str) -> None:
    with pytest.raises(RefusedError, match=says):
        admit(spent, limits, WANTED)


def test_a_question_may_take_the_seconds_that_are_left() -> None:
    assert admit(Usage(1, 70.0), DailyLimits(seconds=100), WANTED) == 30.0


def test_the_worst_case_is_a_repair_that_reads_the_answer_too() -> None:
    taken = worst_case(
        "x" * 2000, max_tokens=100, seconds=60, requests=2, prices=Prices(Decimal(1), Decimal(10))
    )
    assert (taken.calls, taken.input_tokens, taken.output_tokens) == (1, 2 * 1100, 200)
    assert taken.cost == Decimal("0.0042")
    assert worst_case("x", max_tokens=1, seconds=1, requests=1, prices=None).cost is None


def test_what_others_wrote_counts_by_its_bytes() -> None:
    assert worst_case("日" * 100, max_tokens=0, seconds=1, requests=1, prices=None).input_tokens == 150
