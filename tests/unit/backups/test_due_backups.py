"""When a regular backup is due: by the last good one, by those that failed since, and by the window."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from uptainer.fleet.regular_backups import is_due
from uptainer.policy.settings import EffectivePolicy

NIGHT = datetime(2026, 3, 14, 2, 37, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
JITTER = timedelta(seconds=5)


def due(every: str | None, ago: timedelta | None, failed: Sequence[timedelta] = (), **policy: object) -> bool:
    """With a good one so long ago, or none, and with those that failed."""
    asks = EffectivePolicy.model_validate({"backup_every": every, **policy})
    last = None if ago is None else NIGHT - ago
    return is_due(asks, last, [NIGHT - each for each in failed], NIGHT)


@pytest.mark.parametrize(
    ("every", "ago", "is_so"),
    [
        (None, None, False),
        ("0s", None, False),
        ("0s", DAY, False),
        ("1d", None, True),
        ("1d", DAY, True),
        ("1d", DAY - JITTER, True),
        ("1d", DAY - HOUR, False),
        ("1h", HOUR - JITTER, True),
        ("1h", JITTER, False),
        ("10m", JITTER, False),
    ],
)
def test_one_is_due_when_the_last_is_old_enough_and_seconds_miss_no_night(
    every: str | None, ago: timedelta | None, is_so: bool
) -> None:
    assert due(every, ago) is is_so


@pytest.mark.parametrize(
    ("every", "failed", "is_so"),
    [
        ("1d", [HOUR - JITTER], True),
        ("1d", [HOUR / 2 - JITTER], False),
        ("1d", [HOUR, 2 * HOUR], False),
        ("1d", [2 * HOUR, 3 * HOUR], True),
        ("1d", [n * HOUR for n in range(7, 15)], False),
        ("1d", [23 * HOUR, *(n * DAY for n in range(1, 200))], False),
        ("30d", [n * DAY for n in range(1, 200)], True),
        ("2h", [n * HOUR for n in range(2, 20)], True),
    ],
)
def test_after_those_that_failed_the_next_waits_longer_each_time_up_to_a_day(
    every: str, failed: Sequence[timedelta], is_so: bool
) -> None:
    assert due(every, None, failed) is is_so


def test_what_failed_before_the_last_good_one_holds_nothing_up() -> None:
    assert due("1d", DAY, [DAY + HOUR, DAY + 2 * HOUR])


def test_it_waits_for_a_window() -> None:
    assert due("1d", None, windows=["daily 02:00-05:00 UTC"])
    assert not due("1d", None, windows=["daily 03:00-05:00 UTC"])
    assert not due("1d", None, freezes=["daily 02:00-05:00 UTC"])
