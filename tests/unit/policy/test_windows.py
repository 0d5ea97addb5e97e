"""Windows in the local time of their zone: midnight, month ends, and the nights when the clocks change."""

from datetime import UTC, datetime, timedelta

import pytest

from uptainer.core.errors import InvalidInputError, RefusedError
from uptainer.policy.window_text import describe_window, format_window, parse_window
from uptainer.policy.windows import Freeze, Opening, Window, closes_at, is_open, next_opening, openings


def window(text: str) -> Window:
    return parse_window(text, Window)


def freeze(text: str) -> Freeze:
    return parse_window(text, Freeze)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


FRIDAY_NIGHT = "Fri 22:00-05:00 Europe/Berlin"
SUNDAY_GAP = "Sun 02:00-03:00 Europe/Berlin"

# In Berlin the clocks went from 02:00 to 03:00 on 2026-03-29, and from 03:00 to 02:00 on 2026-10-25.
OPENINGS = [
    ("over midnight", FRIDAY_NIGHT, "2026-01-16", "2026-01-16 21:00", "2026-01-17 04:00"),
    ("in summer", FRIDAY_NIGHT, "2026-07-17", "2026-07-17 20:00", "2026-07-18 03:00"),
    ("spring night, an hour short", "Sat 22:00-05:00 Europe/Berlin", "2026-03-28", "2026-03-28 21:00", "2026-03-29 03:00"),
    ("autumn night, an hour long", "Sat 22:00-05:00 Europe/Berlin", "2026-10-24", "2026-10-24 20:00", "2026-10-25 04:00"),
    ("starts in the skipped hour", "Sun 02:30-04:00 Europe/Berlin", "2026-03-29", "2026-03-29 01:00", "2026-03-29 02:00"),
    ("ends in the skipped hour", "Sun 01:00-02:30 Europe/Berlin", "2026-03-29", "2026-03-29 00:00", "2026-03-29 01:00"),
    ("lies in the skipped hour", SUNDAY_GAP, "2026-03-29", "2026-03-29 01:00", "2026-03-29 02:00"),
    ("lies deep in the skipped hour", "Sun 02:15-02:30 Europe/Berlin", "2026-03-29", "2026-03-29 01:00", "2026-03-29 01:15"),
    ("starts in the doubled hour", "Sun 02:30-04:00 Europe/Berlin", "2026-10-25", "2026-10-25 00:30", "2026-10-25 03:00"),
    ("ends in the doubled hour", "Sun 01:00-02:30 Europe/Berlin", "2026-10-25", "2026-10-24 23:00", "2026-10-25 00:30"),
    ("lies in the doubled hour", "Sun 02:15-02:45 Europe/Berlin", "2026-10-25", "2026-10-25 00:15", "2026-10-25 00:45"),
    ("half-hour clock change", "Sun 02:15-03:00 Australia/Lord_Howe", "2026-10-03", "2026-10-03 15:30", "2026-10-03 16:00"),
    ("a day that never was", "Fri 10:00-12:00 Pacific/Apia", "2011-12-29", "2011-12-30 10:00", "2011-12-30 12:00"),
    ("last Sunday", "last Sun 03:00-06:00 Asia/Tokyo", "2026-05-30", "2026-05-30 18:00", "2026-05-30 21:00"),
    ("second Tuesday", "2nd Tue 20:00-23:00 UTC", "2026-09-01", "2026-09-08 20:00", "2026-09-08 23:00"),
    ("month end into the next", "last day 22:00-02:00 UTC", "2026-02-02", "2026-02-28 22:00", "2026-03-01 02:00"),
    ("month end of a leap year", "last day 22:00-02:00 UTC", "2028-02-02", "2028-02-29 22:00", "2028-03-01 02:00"),
    ("only months with a 31st", "day 31 00:00-24:00 UTC", "2026-04-02", "2026-05-31 00:00", "2026-06-01 00:00"),
    ("over the new year", "FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=31;BYHOUR=20 for 10h UTC", "2026-03-01", "2026-12-31 20:00", "2027-01-01 06:00"),
    ("every second week counts from DTSTART", "DTSTART:20260102T220000 RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=FR for 2h UTC", "2026-11-21", "2026-12-04 22:00", "2026-12-05 00:00"),
    ("what DTSTART says need not be repeated", "DTSTART:20260102T221500 RRULE:FREQ=WEEKLY for 1h UTC", "2026-11-21", "2026-11-27 22:15", "2026-11-27 23:15"),
    ("once", "2026-12-20 00:00 to 2026-12-24 06:00 Europe/Berlin", "2026-06-01", "2026-12-19 23:00", "2026-12-24 05:00"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "since", "opens", "closes"), [case[1:] for case in OPENINGS], ids=[case[0] for case in OPENINGS]
)
def test_a_window_opens_and_closes_as_its_clock_says(text: str, since: str, opens: str, closes: str) -> None:
    start = utc(f"{since} 00:00")
    first = next(openings([window(text)], [], start, start + timedelta(days=366)))
    assert first == Opening(utc(opens), utc(closes))


IS_OPEN = [
    ("Saturday 02:00 lies in Friday's window", FRIDAY_NIGHT, "2026-01-17 01:00", True),
    ("Friday 21:59 is before it", FRIDAY_NIGHT, "2026-01-16 20:59", False),
    ("its first instant is in it", FRIDAY_NIGHT, "2026-01-16 21:00", True),
    ("its last minute is in it", FRIDAY_NIGHT, "2026-01-17 03:59", True),
    ("its end is not in it", FRIDAY_NIGHT, "2026-01-17 04:00", False),
    ("Saturday 22:00 is not Friday", FRIDAY_NIGHT, "2026-01-17 21:00", False),
    ("the second pass of a doubled hour is past the end", "Sun 01:00-02:30 Europe/Berlin", "2026-10-25 01:15", False),
    ("both passes lie within a longer window", "Sun 01:00-04:00 Europe/Berlin", "2026-10-25 01:15", True),
    ("before DTSTART nothing is open", "DTSTART:20260801T000000 RRULE:FREQ=DAILY for 24h UTC", "2026-07-31 12:00", False),
    ("after UNTIL nothing is open", "FREQ=DAILY;BYHOUR=0;UNTIL=20260801T000000Z for 24h UTC", "2026-08-02 00:00", False),
    ("the occurrence at UNTIL is the last", "FREQ=DAILY;BYHOUR=0;UNTIL=20260801T000000Z for 24h UTC", "2026-08-01 12:00", True),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "at", "expected"), [case[1:] for case in IS_OPEN], ids=[case[0] for case in IS_OPEN]
)
def test_whether_a_window_is_open(text: str, at: str, expected: bool) -> None:
    assert is_open([window(text)], [], utc(at)) is expected


def test_without_windows_it_is_always_open() -> None:
    assert is_open([], [], utc("2026-01-01 00:00"))
    assert next_opening([], [], utc("2026-01-01 00:00")) == utc("2026-01-01 00:00")
    assert closes_at([], [], utc("2026-01-01 00:00")) is None


def test_a_freeze_forbids_what_no_window_restricts() -> None:
    christmas = freeze("2026-12-20 00:00 to 2027-01-02 06:00 UTC")
    assert not is_open([], [christmas], utc("2026-12-24 12:00"))
    assert next_opening([], [christmas], utc("2026-12-24 12:00")) == utc("2027-01-02 06:00")
    assert closes_at([], [christmas], utc("2026-12-01 00:00")) == utc("2026-12-20 00:00")


def test_a_freeze_cuts_a_window_in_two() -> None:
    nightly, lunch = window("daily 00:00-06:00 UTC"), freeze("daily 02:00-03:00 UTC")
    found = list(openings([nightly], [lunch], utc("2026-01-01 00:00"), utc("2026-01-01 23:00")))
    assert found == [
        Opening(utc("2026-01-01 00:00"), utc("2026-01-01 02:00")),
        Opening(utc("2026-01-01 03:00"), utc("2026-01-01 06:00")),
    ]
    assert closes_at([nightly], [lunch], utc("2026-01-01 01:00")) == utc("2026-01-01 02:00")


def test_windows_that_touch_are_one_opening() -> None:
    windows = [window("Fri 22:00-24:00 UTC"), window("Sat 00:00-05:00 UTC"), window("Sat 04:00-06:00 UTC")]
    assert closes_at(windows, [], utc("2026-01-16 22:30")) == utc("2026-01-17 06:00")


def test_a_window_that_never_closes_says_so() -> None:
    assert closes_at([window("daily 00:00-24:00 Europe/Berlin")], [], utc("2026-01-16 22:30")) is None


def test_asking_when_a_closed_window_closes_is_refused() -> None:
    with pytest.raises(RefusedError, match="no maintenance window is open at 2026-01-15 12:00 UTC"):
        closes_at([window(FRIDAY_NIGHT)], [], utc("2026-01-15 12:00"))


@pytest.mark.parametrize(
    "text",
    [
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30;BYHOUR=1 for 1h UTC",
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=31;BYHOUR=1 for 1h UTC",
        "2020-01-01 00:00 to 2020-01-02 00:00 UTC",
    ],
)
def test_a_window_that_never_opens_has_no_next_opening(text: str) -> None:
    assert next_opening([window(text)], [], utc("2026-01-01 00:00")) is None


def test_a_window_frozen_whole_has_no_next_opening() -> None:
    assert (
        next_opening(
            [window(FRIDAY_NIGHT)],
            [freeze("weekends 00:00-24:00 UTC"), freeze("Fri 00:00-24:00 UTC")],
            utc("2026-01-01 00:00"),
        )
        is None
    )


def test_the_next_opening_of_an_open_window_is_now() -> None:
    now = utc("2026-01-17 01:00")
    assert next_opening([window(FRIDAY_NIGHT)], [], now) == now


REFUSED = [
    ("FREQ=SECONDLY for 1h UTC", "too fine"),
    ("FREQ=MINUTELY;INTERVAL=5 for 1h UTC", "too fine"),
    ("FREQ=HOURLY for 10m UTC", "use FREQ=DAILY with BYHOUR"),
    ("FREQ=DAILY;BYHOUR=1;COUNT=3 for 1h UTC", "COUNT is not taken"),
    ("FREQ=DAILY;BYHOUR=1;INTERVAL=0 for 1h UTC", "INTERVAL=0 is not a number from 1"),
    ("FREQ=DAILY;BYHOUR=1;INTERVAL=2 for 1h UTC", "add a DTSTART"),
    ("FREQ=DAILY for 1h UTC", "at what time"),
    (f"FREQ=MONTHLY;BYMONTHDAY={'1,' * 4000}1;BYHOUR=3 for 1h UTC", "at most 1000 characters"),
    ("FREQ=WEEKLY;BYHOUR=1 for 1h UTC", "on which day"),
    ("FREQ=WEEKLY;BYDAY=1FR;BYHOUR=1 for 1h UTC", "use FREQ=MONTHLY"),
    ("FREQ=YEARLY;BYMONTHDAY=1;BYHOUR=1 for 1h UTC", "in which month"),
    ("FREQ=DAILY;BYHOUR=1,2,3;BYMINUTE=0,5,10,15,20,25,30,35,40 for 1h UTC", "27 times a day"),
    ("FREQ=DAILY;BYHOUR=25 for 1h UTC", "'25' is not a number from 0 to 23"),
    ("FREQ=WEEKLY;BYDAY=XX;BYHOUR=1 for 1h UTC", "'XX' is not a day"),
    ("FREQ=DAILY;BYHOUR=1;BYEASTER=2 for 1h UTC", "is not a part of a recurrence"),
    ("FREQ=DAILY;BYHOUR=1;BYHOUR=2 for 1h UTC", "stands there twice"),
    ("FREQ=DAILY;BYHOUR=1;BYSECOND=5 for 1h UTC", "a window starts at a full minute"),
    ("FREQ=YEARLY;BYWEEKNO=3;BYDAY=MO;BYHOUR=1 for 1h UTC", "BYWEEKNO is not taken: use BYMONTH"),
    ("FREQ=MONTHLY;BYMONTHDAY=32;BYHOUR=1 for 1h UTC", "'32' is not a number from 1 to 31"),
    ("FREQ=MONTHLY;BYMONTHDAY=0;BYHOUR=1 for 1h UTC", "'0' is not a number from 1 to 31"),
    ("FREQ=WEEKLY;BYDAY=FR;BYHOUR=1;WKST=XX for 1h UTC", "WKST=XX is not a day"),
    ("DTSTART:00010101T000000 RRULE:FREQ=WEEKLY;INTERVAL=2 for 1h UTC", "not between the years 2000 and 9998"),
    ("FREQ=DAILY;BYHOUR=1;UNTIL=99991231T235959Z for 1h Pacific/Kiritimati", "not between the years 2000 and 9998"),
    ("DTSTART:20261332T000000 RRULE:FREQ=DAILY for 1h UTC", "no such day"),
    ("FREQ=DAILY;BYHOUR=1 for 8d UTC", "lasts from 1m to 7d, not 8d"),
    ("FREQ=DAILY;BYHOUR=1 for 0s UTC", "lasts from 1m to 7d, not 0s"),
    ("FREQ=DAILY;BYHOUR=1 for 7 UTC", "write it with its unit"),
    ("Fri 22:00-05:00 Europe/Berln", "did you mean Europe/Berlin"),
    ("Fri 22:00-05:00 ../../etc/passwd", "is not a time zone"),
    ("Fri 22:00-05:00", "is not a maintenance window: write it like"),
    ("Fry 22:00-05:00 UTC", "'fry' is not a day"),
    ("T 22:00-05:00 UTC", "'t' is not a day"),
    ("Fri 22:60-05:00 UTC", "22:60 is not a time of day"),
    ("2026-02-30 00:00 to 2026-03-01 00:00 UTC", "no such day"),
    ("2026-03-02 00:00 to 2026-03-01 00:00 UTC", "lasts from 1m"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_a_wrong_window_is_refused_and_told_why(text: str, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        window(text)


def test_a_freeze_may_last_longer_than_a_window() -> None:
    text = "FREQ=YEARLY;BYMONTH=11;BYMONTHDAY=20;BYHOUR=0 for 45d UTC"
    assert freeze(text).duration == timedelta(days=45)
    with pytest.raises(InvalidInputError, match="a freeze lasts from 1m to 100d"):
        freeze("FREQ=YEARLY;BYMONTH=11;BYMONTHDAY=20;BYHOUR=0 for 101d UTC")


SENTENCES = [
    ("Fri 22:00-05:00 Europe/Berlin", "each Friday from 22:00 to 05:00 on the next day, Europe/Berlin"),
    ("Mon-Wed,Sun 01:00-04:30 UTC", "each Monday, Tuesday, Wednesday and Sunday from 01:00 to 04:30, UTC"),
    ("Sat-Mon 01:00-02:00 UTC", "each Monday, Saturday and Sunday from 01:00 to 02:00, UTC"),
    ("daily 02:00-04:00 UTC", "each day from 02:00 to 04:00, UTC"),
    ("daily 00:00-24:00 UTC", "each day from 00:00 to 24:00, UTC"),
    ("weekdays 22:00-24:00 UTC", "each Monday, Tuesday, Wednesday, Thursday and Friday from 22:00 to 24:00, UTC"),
    ("last Sunday 03:00-06:00 UTC", "on the last Sunday of each month from 03:00 to 06:00, UTC"),
    ("first sat 03:00-06:00 UTC", "on the first Saturday of each month from 03:00 to 06:00, UTC"),
    ("day 15 03:00-06:00 UTC", "on day 15 of each month from 03:00 to 06:00, UTC"),
    ("last day 23:00-01:00 UTC", "on the last day of each month from 23:00 to 01:00 on the next day, UTC"),
    ("2026-12-20 00:00 to 2026-12-24 06:00 UTC", "once, from 2026-12-20 00:00 to 2026-12-24 06:00, UTC"),
    ("FREQ=WEEKLY;BYDAY=SA;BYHOUR=0 for 2d UTC", "each Saturday from 00:00 to 00:00 2 days later, UTC"),
    ("FREQ=DAILY;BYHOUR=2;UNTIL=20261231T000000 for 1h UTC", "each day from 02:00 to 03:00, UTC, until 2026-12-31 00:00"),
    ("FREQ=DAILY;BYHOUR=1,13 for 1h UTC", "by the rule FREQ=DAILY;BYHOUR=1,13 for 1h, UTC"),
    ("FREQ=MONTHLY;BYDAY=MO,TU;BYSETPOS=1;BYHOUR=1 for 1h UTC", "by the rule FREQ=MONTHLY;BYDAY=MO,TU;BYSETPOS=1;BYHOUR=1 for 1h, UTC"),
    ("FREQ=MONTHLY;BYMONTHDAY=-2;BYHOUR=1 for 1h UTC", "by the rule FREQ=MONTHLY;BYMONTHDAY=-2;BYHOUR=1 for 1h, UTC"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "sentence"), SENTENCES)
def test_a_window_is_said_in_a_sentence(text: str, sentence: str) -> None:
    assert describe_window(window(text)) == sentence


@pytest.mark.parametrize("text", [case[0] for case in SENTENCES])
def test_the_stored_form_of_a_window_reads_back_as_the_same_window(text: str) -> None:
    assert parse_window(format_window(window(text)), Window) == window(text)
