"""What holds for every window, found by search: against dateutil's recurrences, and among our own answers."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise, takewhile
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr
from hypothesis import given, settings
from hypothesis import strategies as st

from uptainer.core.enums import PolicyScope
from uptainer.core.errors import InvalidInputError
from uptainer.core.wallclock import to_instant, to_local
from uptainer.policy import labels
from uptainer.policy.durations import format_duration, parse_duration
from uptainer.policy.foreign_labels import FOREIGN
from uptainer.policy.layers import Layer, merge
from uptainer.policy.recurrence_text import WEEKDAYS, parse_recurrence
from uptainer.policy.window_text import describe_window, format_window, parse_window
from uptainer.policy.windows import Freeze, Window, closes_at, is_open, next_opening, openings

ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/St_Johns",
    "Pacific/Apia",
    "Africa/Casablanca",
)
wall = datetime.fromisoformat

# dateutil searches a rule that never matches up to the year 9999; so near to that, it is soon there.
EPOCH = wall("9990-01-01")


def numbers(least: int, most: int) -> st.SearchStrategy[str]:
    return st.lists(st.integers(least, most), min_size=1, max_size=3, unique=True).map(
        lambda found: ",".join(map(str, sorted(found)))
    )


def signed(most: int) -> st.SearchStrategy[str]:
    choice = st.integers(-most, most).filter(bool)
    return st.lists(choice, min_size=1, max_size=3, unique=True).map(lambda found: ",".join(map(str, found)))


plain_days = st.lists(st.sampled_from(WEEKDAYS), min_size=1, max_size=4, unique=True).map(",".join)
counted_days = st.tuples(st.sampled_from([-2, -1, 1, 2, 4, 5]), st.sampled_from(WEEKDAYS)).map(
    lambda pair: f"{pair[0]}{pair[1]}"
)


@st.composite
def rules(draw: st.DrawFn, begin: str = "20200108T000000") -> str:
    frequency = draw(st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]))
    within_month = frequency in {"MONTHLY", "YEARLY"}
    parts = [
        f"FREQ={frequency}",
        f"BYHOUR={draw(numbers(0, 23))}",
        f"BYMINUTE={draw(st.sampled_from(['0', '15,45']))}",
    ]
    if frequency == "YEARLY" or draw(st.booleans()):
        parts.append(f"BYMONTH={draw(numbers(1, 12))}")
    by_day = frequency == "WEEKLY" or draw(st.booleans())
    if by_day:
        parts.append(f"BYDAY={draw(st.one_of(plain_days, counted_days) if within_month else plain_days)}")
    if (within_month and not by_day) or (frequency != "WEEKLY" and draw(st.booleans())):
        parts.append(f"BYMONTHDAY={draw(signed(28))}")
    if within_month and draw(st.booleans()):
        parts.append(f"BYSETPOS={draw(signed(4))}")
    if draw(st.booleans()):
        parts.append(f"INTERVAL={draw(st.integers(2, 5))}")
    if draw(st.booleans()):
        parts.append(f"WKST={draw(st.sampled_from(WEEKDAYS))}")
    return f"DTSTART:{begin} RRULE:{';'.join(parts)}"


@settings(deadline=None)
@given(rules("99900108T000000"), st.integers(0, 2500))
def test_a_recurrence_starts_when_dateutil_says(rule: str, days: int) -> None:
    first = EPOCH + timedelta(days=days)
    last = first + timedelta(days=500)
    text = rule.split("RRULE:")[1]
    oracle = rrulestr(text, dtstart=wall("9990-01-08"))
    ours = parse_recurrence(rule, ZoneInfo("UTC")).starts(first, last)
    assert list(ours) == list(takewhile(lambda each: each <= last, oracle.xafter(first, inc=True)))


@st.composite
def windows(draw: st.DrawFn, kind: type[Window] = Window) -> Window:
    duration = timedelta(minutes=draw(st.integers(1, 3 * 24 * 60)))
    return kind(draw(rules()), duration, draw(st.sampled_from(ZONES)))


instants = st.datetimes(wall("2024-01-01"), wall("2027-01-01"), timezones=st.just(UTC))
some_windows = st.lists(windows(), max_size=2)
some_freezes = st.lists(windows(Freeze), max_size=2)


@settings(deadline=None)
@given(some_windows, some_freezes, instants)
def test_openings_are_apart_in_order_and_not_empty(
    allowed: list[Window], frozen: list[Freeze], start: datetime
) -> None:
    found = list(openings(allowed, frozen, start, start + timedelta(days=60)))
    assert all(each.opens < each.closes for each in found)
    assert all(earlier.closes < later.opens for earlier, later in pairwise(found))


@settings(deadline=None)
@given(some_windows, some_freezes, instants)
def test_is_open_agrees_with_the_openings(allowed: list[Window], frozen: list[Freeze], at: datetime) -> None:
    found = openings(allowed, frozen, at - timedelta(days=1), at + timedelta(days=1))
    assert is_open(allowed, frozen, at) == any(at in each for each in found)


@settings(deadline=None)
@given(some_windows, some_freezes, instants)
def test_it_is_open_at_its_opening_and_not_at_its_close(
    allowed: list[Window], frozen: list[Freeze], start: datetime
) -> None:
    for each in openings(allowed, frozen, start, start + timedelta(days=20)):
        if each.opens >= start and each.closes <= start + timedelta(days=20) and allowed:
            assert is_open(allowed, frozen, each.opens)
            assert not is_open(allowed, frozen, each.closes)


@settings(deadline=None)
@given(some_windows, some_freezes, instants)
def test_the_next_opening_is_open_and_nothing_before_it_is(
    allowed: list[Window], frozen: list[Freeze], at: datetime
) -> None:
    opens = next_opening(allowed, frozen, at)
    if opens is None:
        return
    assert opens >= at
    assert is_open(allowed, frozen, opens)
    assert opens == at or not any(each.opens < opens for each in openings(allowed, frozen, at, opens))
    closes = closes_at(allowed, frozen, opens)
    assert closes is None or not is_open(allowed, frozen, closes)


@settings(deadline=None)
@given(
    st.datetimes(wall("2000-01-01"), wall("2037-01-01")),
    st.datetimes(wall("2000-01-01"), wall("2037-01-01")),
    st.sampled_from(ZONES),
)
def test_a_later_time_on_the_wall_is_never_an_earlier_instant(
    one: datetime, other: datetime, name: str
) -> None:
    zone = ZoneInfo(name)
    earlier, later = sorted((one.replace(microsecond=0), other.replace(microsecond=0)))
    assert to_instant(earlier, zone) <= to_instant(later, zone)


@settings(deadline=None)
@given(st.datetimes(wall("2000-01-01"), wall("2037-01-01"), timezones=st.just(UTC)), st.sampled_from(ZONES))
def test_an_instant_read_off_the_wall_and_back_is_itself_or_the_first_pass(
    instant: datetime, name: str
) -> None:
    zone = ZoneInfo(name)
    local = to_local(instant, zone)
    back = to_instant(local, zone)
    assert back <= instant
    assert to_local(back, zone) == local


@settings(deadline=None)
@given(st.integers(0, 10**8))
def test_a_duration_reads_back_as_itself(seconds: int) -> None:
    assert parse_duration(format_duration(timedelta(seconds=seconds))) == timedelta(seconds=seconds)


scraps = st.sampled_from(["Fri", "last", "day", "daily", "22:00", "-", "05:00", "UTC", "Europe", "FREQ=DAILY", ";", "BYHOUR=", "BYDAY=-1SU", "INTERVAL=2", "UNTIL=", "DTSTART:", "20260101T000000Z", "00010101T000000", "2026-01-01 00:00", "to", "for", "7h", "99", "\u0663", "," , " "])  # fmt: skip


@settings(deadline=None)
@given(
    st.one_of(
        st.text(), st.lists(scraps, max_size=12).map("".join), st.lists(scraps, max_size=9).map(" ".join)
    )
)
def test_any_text_is_a_window_or_is_refused_in_our_words(text: str) -> None:
    try:
        window = parse_window(text, Window)
    except InvalidInputError:
        return
    assert describe_window(window)
    assert parse_window(format_window(window), Window) == window
    next_opening([window], [], EPOCH.replace(year=2026, tzinfo=UTC))


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from([*labels._ALL, *FOREIGN, "uptainer.x"]),
        st.one_of(st.text(), st.sampled_from(["true", "1", "3d", "80/x", "a,b", "(", "auto"])),
    )
)
def test_any_labels_are_read_and_each_that_is_not_followed_is_named(found: dict[str, str]) -> None:
    reading = labels.read_labels(found, {})
    assert {fault.label for fault in reading.faults} <= found.keys()
    merge([Layer(PolicyScope.LABEL, "", reading.settings, reading.sources)])
