from datetime import UTC, datetime, timedelta

import pytest

from uptainer.core.budgets import (
    NO_NEWS,
    Account,
    Budget,
    Cap,
    Cost,
    Fault,
    Grant,
    Hold,
    Quota,
    Urgency,
)
from uptainer.core.enums import QuotaUnit

NOW = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)
SOON = NOW + timedelta(hours=6)
MINUTE = timedelta(minutes=1)


def pulls(remaining: int, limit: int | None = 100, resets_at: datetime | None = SOON) -> Quota:
    return Quota(QuotaUnit.PULL, remaining, limit, resets_at)


def requests(remaining: int, resets_at: datetime | None = SOON) -> Quota:
    return Quota(QuotaUnit.REQUEST, remaining, 100, resets_at)


@pytest.mark.parametrize(
    ("budget", "urgency", "allowed", "refusal"),
    [
        (Budget("r", NOW), Urgency.SWEEP, Cost(10, 5), None),
        (Budget("r", NOW, quota=pulls(50)), Urgency.SWEEP, Cost(10, 5), None),
        (Budget("r", NOW, quota=pulls(22)), Urgency.SWEEP, Cost(10, 2), "last 20 of its 100 pulls are kept"),
        (Budget("r", NOW, quota=pulls(20)), Urgency.SWEEP, Cost(10, 0), "last 20 of its 100 pulls are kept"),
        (Budget("r", NOW, quota=pulls(20)), Urgency.WANTED, Cost(10, 5), None),
        (Budget("r", NOW, quota=pulls(3)), Urgency.WANTED, Cost(10, 3), "all of its 100 pulls are used"),
        (Budget("r", NOW, quota=pulls(0)), Urgency.WANTED, Cost(10, 0), "all of its 100 pulls are used"),
        (Budget("r", NOW, quota=pulls(0, resets_at=None)), Urgency.SWEEP, Cost(10, 5), None),
        (Budget("r", NOW, quota=requests(24)), Urgency.SWEEP, Cost(4, 4), "last 20 of its 100 requests"),
        (Budget("r", NOW, quota=requests(0)), Urgency.WANTED, Cost(0, 0), "all of its 100 requests are used"),
        (Budget("r", NOW, 6, cap=Cap(10, MINUTE)), Urgency.SWEEP, Cost(2, 2), "last 2 of our 10 requests"),
        (
            Budget("r", NOW, 6, cap=Cap(10, MINUTE)),
            Urgency.WANTED,
            Cost(4, 4),
            "all of our 10 requests are used",
        ),
        (
            Budget("r", NOW, 10, cap=Cap(10, MINUTE)),
            Urgency.WANTED,
            Cost(),
            "all of our 10 requests are used",
        ),
        (Budget("r", NOW, quota=requests(90), cap=Cap(5, MINUTE)), Urgency.SWEEP, Cost(4, 4), "our 5"),
        (Budget("r", NOW, hold=Hold(SOON, "it answered 429")), Urgency.WANTED, Cost(), "it answered 429"),
    ],
)
def test_a_grant_is_what_the_narrowest_bound_leaves(
    budget: Budget, urgency: Urgency, allowed: Cost, refusal: str | None
) -> None:
    _, grant = budget.grant(Cost(10, 5), urgency)
    assert grant.allowed == allowed
    assert (grant.refusal is None) == (refusal is None)
    assert (refusal or "") in (grant.refusal.reason if grant.refusal else "")


def test_what_one_process_was_granted_is_not_there_for_the_next() -> None:
    budget = Budget("r", NOW, quota=pulls(24))
    budget, first = budget.grant(Cost(6, 3), Urgency.SWEEP)
    budget, second = budget.grant(Cost(6, 3), Urgency.SWEEP)
    assert (first.allowed.pulls, second.allowed.pulls) == (3, 1)


def test_what_was_not_needed_is_given_back_and_never_makes_more_than_there_was() -> None:
    budget, _ = Budget("r", NOW, quota=pulls(99), cap=Cap(50, MINUTE)).grant(Cost(10, 5), Urgency.SWEEP)
    budget = budget.after(Account(unused=Cost(10, 5)), NOW)
    assert (budget.spent, budget.quota and budget.quota.remaining) == (0, 99)
    budget = budget.after(Account(unused=Cost(10, 5)), NOW)
    assert (budget.spent, budget.quota and budget.quota.remaining) == (0, 100)


def test_what_the_registry_says_counts_for_more_than_what_we_reckon() -> None:
    budget = Budget("r", NOW, quota=pulls(50)).after(Account(unused=Cost(9, 9), quota=pulls(7)), NOW)
    assert budget.quota == pulls(7)
    assert budget.after(NO_NEWS, NOW).quota == pulls(7)


def test_a_shorter_hold_does_not_lift_a_longer_one_and_none_is_for_ever() -> None:
    held = Budget("r", NOW).after(Account(hold=Hold(NOW + 2 * MINUTE, "long")), NOW)
    assert held.after(Account(hold=Hold(NOW + MINUTE, "short")), NOW).hold == Hold(NOW + 2 * MINUTE, "long")
    endless = Budget("r", NOW).after(Account(hold=Hold(NOW + timedelta(days=900), "")), NOW)
    assert endless.hold == Hold(NOW + timedelta(hours=24), "")


def test_no_quota_is_spent_for_ever() -> None:
    """A registry that says it is for a century would never be asked again, and so never say anything else."""
    told = requests(0, resets_at=NOW + timedelta(days=36500))
    spent = Budget("r", NOW).after(Account(quota=told), NOW)
    assert spent.at(NOW).grant(Cost(1), Urgency.WANTED)[1].allowed == Cost()
    later = spent.at(NOW + timedelta(hours=24))
    assert later.grant(Cost(1), Urgency.WANTED)[1].allowed == Cost(1)


def test_what_has_run_out_is_no_longer_there() -> None:
    fault = Fault("429", NOW)
    full = Budget("r", NOW, 10, pulls(0), Cap(10, MINUTE), 20, Hold(NOW + MINUTE, "429"), fault)
    assert full.at(NOW + MINUTE / 2) == full
    later = full.at(NOW + MINUTE)
    assert (later.spent, later.spent_since, later.hold) == (0, NOW + MINUTE, None)
    assert later.quota == pulls(0)
    assert later.at(SOON).quota == pulls(100, resets_at=None)
    assert later.at(SOON).fault == fault
    assert Budget("r", NOW, quota=pulls(0, limit=None)).at(SOON).quota is None


def test_nothing_wanted_is_granted_without_a_word() -> None:
    assert Budget("r", NOW, quota=pulls(0)).grant(Cost(), Urgency.SWEEP)[1] == Grant(Cost())
