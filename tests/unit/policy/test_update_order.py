"""The order of updates in a window, and what is not begun."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uptainer.core.errors import InvalidInputError
from uptainer.core.findings import Verdict
from uptainer.policy.schedule import Bounds, PlannedUpdate, Schedule, schedule

NOW = datetime(2026, 1, 16, 22, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def update(key: str, *needs: str, urgency: int = 0, minutes: int = 5, age: int = 0) -> PlannedUpdate:
    return PlannedUpdate(
        key, NOW - timedelta(days=age), timedelta(minutes=minutes), urgency, frozenset(needs)
    )


def keys(plan: Schedule) -> list[str]:
    return [start.update.key for start in plan.starts]


def reasons(plan: Schedule) -> dict[str, str]:
    return {left.key: finding.reason for left, finding in plan.left}


def test_what_a_workload_needs_is_updated_before_it() -> None:
    assert keys(schedule([update("web", "api"), update("api", "db"), update("db")], NOW, None)) == [
        "db",
        "api",
        "web",
    ]


def test_the_most_urgent_comes_first_then_the_oldest_then_the_name() -> None:
    updates = [
        update("b"),
        update("a"),
        update("old", age=3),
        update("high", urgency=3),
        update("critical", urgency=4),
    ]
    assert keys(schedule(updates, NOW, None)) == ["critical", "high", "old", "a", "b"]


def test_an_urgent_one_still_waits_for_what_it_needs() -> None:
    assert keys(
        schedule([update("web", "db", urgency=4), update("db"), update("x", urgency=3)], NOW, None)
    ) == ["x", "db", "web"]


def test_a_need_that_is_not_updated_now_is_not_waited_for() -> None:
    assert keys(schedule([update("web", "db")], NOW, None)) == ["web"]


def test_what_cannot_be_done_in_time_is_not_begun_and_a_shorter_one_is() -> None:
    plan = schedule(
        [update("big", minutes=90, urgency=4), update("small", minutes=5)], NOW, NOW + timedelta(hours=1)
    )
    assert keys(plan) == ["small"]
    assert reasons(plan) == {"big": "it would not be done when the window closes at 2026-01-16 23:00 UTC"}


def test_an_update_may_end_exactly_when_the_window_closes() -> None:
    plan = schedule(
        [update("a", minutes=30), update("b", minutes=30), update("c", minutes=1)],
        NOW,
        NOW + timedelta(hours=1),
    )
    assert [(start.update.key, start.at) for start in plan.starts] == [
        ("a", NOW),
        ("b", NOW + timedelta(minutes=30)),
    ]
    assert list(reasons(plan)) == ["c"]


def test_what_depends_on_a_left_one_is_left_too() -> None:
    plan = schedule(
        [update("db", minutes=90), update("api", "db"), update("web", "api")], NOW, NOW + timedelta(hours=1)
    )
    assert keys(plan) == []
    assert reasons(plan)["web"] == "it needs api, which is not updated now"


def test_a_circle_is_named_and_left_and_the_rest_goes_on() -> None:
    plan = schedule(
        [update("a", "b"), update("b", "c"), update("c", "a"), update("x"), update("y", "a")], NOW, None
    )
    assert keys(plan) == ["x"]
    assert "needs" in reasons(plan)["a"]
    circle = reasons(plan)["a"].split(",")[0].split(" needs ")
    assert all(f"{one}{other}" in {"ab", "bc", "ca"} for one, other in pairwise(circle))
    assert {finding.verdict for left, finding in plan.left if left.key != "y"} == {Verdict.BLOCK}
    assert reasons(plan)["y"] == "it needs a, which is not updated now"


def test_two_circles_are_both_named() -> None:
    plan = schedule([update("a", "b"), update("b", "a"), update("self", "self")], NOW, None)
    assert reasons(plan)["self"] == "self needs self, in a circle: correct their depends-on"
    assert set(reasons(plan)) == {"a", "b", "self"}


def test_two_updates_of_one_workload_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="more than one update of web"):
        schedule([update("web"), update("web")], NOW, None)


def on(host: str, key: str, *needs: str, minutes: int = 30) -> PlannedUpdate:
    return replace(update(key, *needs, minutes=minutes), host=host)


BOUNDS = [
    ("one on the whole server", Bounds(1, 1), {"a1": 0, "a2": 30, "b1": 60, "c1": 90}),
    ("one on each host", Bounds(1, 9), {"a1": 0, "b1": 0, "c1": 0, "a2": 30}),
    ("two on the server, one on each host", Bounds(1, 2), {"a1": 0, "a2": 30, "b1": 0, "c1": 30}),
    ("two on each host", Bounds(2, 9), {"a1": 0, "a2": 0, "b1": 0, "c1": 0}),
    ("two on each host, three on the server", Bounds(2, 3), {"a1": 0, "a2": 0, "b1": 0, "c1": 30}),
]


@pytest.mark.parametrize(
    ("bounds", "expected"), [case[1:] for case in BOUNDS], ids=[case[0] for case in BOUNDS]
)
def test_no_more_begin_at_a_time_than_host_and_server_allow(bounds: Bounds, expected: dict[str, int]) -> None:
    plan = schedule([on("a", "a1"), on("a", "a2"), on("b", "b1"), on("c", "c1")], NOW, bounds=bounds)
    assert {each.update.key: (each.at - NOW) // MINUTE for each in plan.starts} == expected


def test_what_would_not_be_done_for_want_of_a_place_is_left() -> None:
    updates = [on("a", "a1", minutes=50), on("b", "b1", minutes=50)]
    assert keys(schedule(updates, NOW, NOW + 60 * MINUTE, Bounds(1, 2))) == ["a1", "b1"]
    assert list(reasons(schedule(updates, NOW, NOW + 60 * MINUTE, Bounds(1, 1)))) == ["b1"]


def test_a_free_place_is_not_used_before_what_an_update_needs_is_done() -> None:
    plan = schedule([on("a", "web", "db"), on("a", "db")], NOW, bounds=Bounds(2, 2))
    assert [(each.update.key, (each.at - NOW) // MINUTE) for each in plan.starts] == [("db", 0), ("web", 30)]


names = st.sampled_from("abcdef")
planned = st.builds(
    lambda key, needs, urgency, minutes, age: update(key, *needs, urgency=urgency, minutes=minutes, age=age),
    names, st.sets(names, max_size=3), st.integers(0, 4), st.integers(1, 60), st.integers(0, 9),
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(planned, max_size=6, unique_by=lambda each: each.key), st.integers(0, 180))
def test_nothing_is_lost_and_nothing_runs_before_its_needs_or_past_the_close(
    updates: list[PlannedUpdate], minutes: int
) -> None:
    closes = NOW + timedelta(minutes=minutes)
    plan = schedule(updates, NOW, closes)
    assert sorted([*keys(plan), *reasons(plan)]) == sorted(each.key for each in updates)
    done: set[str] = set()
    for start in plan.starts:
        assert start.update.depends_on & {each.key for each in updates} <= done
        assert start.at + start.update.duration <= closes
        done.add(start.update.key)
