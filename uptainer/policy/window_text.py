"""Windows as a person writes them, and the sentence that says what one means.

Fri 22:00-05:00 Europe/Berlin               each Friday, to Saturday morning
Mon-Thu,Sun 01:00-04:30 UTC
daily | weekdays | weekends 02:00-04:00 America/New_York
last Sun 03:00-06:00 Asia/Tokyo             of each month; also 1st ... 4th
day 15 | last day 00:00-24:00 UTC           of each month
2026-12-20 00:00 to 2027-01-02 06:00 UTC    once; what a freeze mostly is
FREQ=WEEKLY;BYDAY=FR;BYHOUR=22 for 7h UTC   any recurrence of RFC 5545 that `recurrence_text` takes

The last form holds for every window, and is the one that is stored.
"""

import re
from datetime import datetime, time, timedelta
from typing import TypeVar

from uptainer.core.errors import InvalidInputError
from uptainer.policy.durations import format_duration, parse_duration
from uptainer.policy.recurrence_text import WEEKDAYS
from uptainer.policy.recurrences import Frequency, Recurrence, Weekday
from uptainer.policy.windows import Window

AnyWindow = TypeVar("AnyWindow", bound=Window)

_DAY_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_GROUPS = {"daily": WEEKDAYS, "weekdays": WEEKDAYS[:5], "weekends": WEEKDAYS[5:]}
_ORDINALS = {
    "first": 1,
    "1st": 1,
    "second": 2,
    "2nd": 2,
    "third": 3,
    "3rd": 3,
    "fourth": 4,
    "4th": 4,
    "last": -1,
}
_ORDINAL_NAMES = {1: "first", 2: "second", 3: "third", 4: "fourth", 5: "fifth", -1: "last"}

_TIMES = re.compile(r"(?P<days>.+?)\s+(?P<from>\d{1,2}:\d{2})\s*-\s*(?P<to>\d{1,2}:\d{2})\s+(?P<zone>\S+)")
_ONCE = re.compile(
    r"(?P<from>\d{4}-\d\d-\d\d \d\d:\d\d)\s+to\s+(?P<to>\d{4}-\d\d-\d\d \d\d:\d\d)\s+(?P<zone>\S+)"
)
_RULE = re.compile(
    r"(?P<rule>(?:DTSTART|RRULE|FREQ)\S*(?:\s+RRULE:\S+|\s+FREQ=\S+)?)\s+for\s+(?P<for>\S+)\s+(?P<zone>\S+)",
    re.IGNORECASE,
)
_HINT = "write it like 'Fri 22:00-05:00 Europe/Berlin', or 'FREQ=...;BYHOUR=22 for 7h Europe/Berlin'"
_WHOLE_DAY = 24 * 60


def parse_window(text: str, kind: type[AnyWindow]) -> AnyWindow:
    """Read any of the forms above as a `Window` or a `Freeze`.

    Raises:
        InvalidInputError: it is none of them, or means something that a window cannot be.
    """
    trimmed = " ".join(text.split())
    if found := _RULE.fullmatch(trimmed):
        return kind(found["rule"], parse_duration(found["for"]), found["zone"])
    if found := _ONCE.fullmatch(trimmed):
        return _once(found, kind)
    if found := _TIMES.fullmatch(trimmed):
        begin, end = _minutes(found["from"], text) % _WHOLE_DAY, _minutes(found["to"], text)
        minutes = end - begin if end > begin else end - begin + _WHOLE_DAY
        rule = f"{_read_days(found['days'], text)};BYHOUR={begin // 60};BYMINUTE={begin % 60}"
        return kind(rule, timedelta(minutes=minutes), found["zone"])
    raise InvalidInputError(f"{text!r} is not a {kind.noun}: {_HINT}")


def format_window(window: Window) -> str:
    """The text form that holds for every window: `parse_window` reads it back as the same one."""
    return f"{window.recurrence} for {format_duration(window.duration)} {window.zone}"


def describe_window(window: Window) -> str:
    """What the window means, as a sentence's end: `each Friday from 22:00 to 05:00 on the next day, Europe/Berlin`."""
    rule = window.rule
    if rule.start is not None and rule.start == rule.until:
        return f"once, from {rule.start:%Y-%m-%d %H:%M} to {rule.start + window.duration:%Y-%m-%d %H:%M}, {window.zone}"
    days = _describe_days(rule)
    if days is None or len(rule.times) > 1:
        return f"by the rule {window.recurrence} for {format_duration(window.duration)}, {window.zone}"
    return f"{days} {_describe_times(rule.times[0], window.duration)}, {window.zone}{_describe_until(rule)}"


def _once(found: re.Match[str], kind: type[AnyWindow]) -> AnyWindow:
    try:
        begin, end = (datetime.strptime(found[name], "%Y-%m-%d %H:%M") for name in ("from", "to"))  # noqa: DTZ007 -- wall time of the zone
    except ValueError:
        raise InvalidInputError(f"{found[0]!r} is not a {kind.noun}: there is no such day or hour") from None
    stamp = f"{begin:%Y%m%dT%H%M}00"
    return kind(f"DTSTART:{stamp} RRULE:FREQ=DAILY;UNTIL={stamp}", end - begin, found["zone"])


def _minutes(clock: str, text: str) -> int:
    hours, minutes = (int(part) for part in clock.split(":"))
    total = hours * 60 + minutes
    if minutes > 59 or total > _WHOLE_DAY:  # noqa: PLR2004 -- minutes of an hour
        raise InvalidInputError(f"{text!r}: {clock} is not a time of day")
    return total


def _read_days(words: str, text: str) -> str:
    lowered = words.lower()
    if lowered in _GROUPS:
        days = _GROUPS[lowered]
        return "FREQ=DAILY" if days == WEEKDAYS else f"FREQ=WEEKLY;BYDAY={','.join(days)}"
    if found := re.fullmatch(r"day (\d{1,2})", lowered):
        return f"FREQ=MONTHLY;BYMONTHDAY={int(found[1])}"
    if lowered == "last day":
        return "FREQ=MONTHLY;BYMONTHDAY=-1"
    ordinal, _, day = lowered.partition(" ")
    if day and ordinal in _ORDINALS:
        return f"FREQ=MONTHLY;BYDAY={_ORDINALS[ordinal]}{WEEKDAYS[_day_index(day, text)]}"
    return f"FREQ=WEEKLY;BYDAY={','.join(_read_day_list(lowered, text))}"


def _read_day_list(words: str, text: str) -> list[str]:
    chosen: set[int] = set()
    for part in words.split(","):
        first, dash, last = part.strip().partition("-")
        begin = _day_index(first, text)
        end = _day_index(last, text) if dash else begin
        chosen.update((begin + step) % 7 for step in range((end - begin) % 7 + 1))
    return [WEEKDAYS[index] for index in sorted(chosen)]


def _day_index(word: str, text: str) -> int:
    shortest = 2
    matching = [
        i for i, name in enumerate(_DAY_NAMES) if len(word) >= shortest and name.lower().startswith(word)
    ]
    if len(matching) != 1:
        raise InvalidInputError(f"{text!r}: {word!r} is not a day; {_HINT}")
    return matching[0]


def _describe_days(rule: Recurrence) -> str | None:
    """None: the rule has a form for which there is no short phrase."""
    if rule.interval != 1 or rule.months or rule.positions:
        return None
    plain = all(not day.nth for day in rule.weekdays)
    match rule.frequency, rule.weekdays, rule.month_days:
        case Frequency.DAILY, (), ():
            phrase = "each day"
        case Frequency.DAILY | Frequency.WEEKLY, days, () if plain:
            phrase = "each " + _listed([_DAY_NAMES[day.index] for day in days])
        case Frequency.MONTHLY, (Weekday() as day,), () if day.nth in _ORDINAL_NAMES:
            phrase = f"on the {_ORDINAL_NAMES[day.nth]} {_DAY_NAMES[day.index]} of each month"
        case Frequency.MONTHLY, (), (-1,):
            phrase = "on the last day of each month"
        case Frequency.MONTHLY, (), (int() as number,) if number > 0:
            phrase = f"on day {number} of each month"
        case _:
            return None
    return phrase


def _describe_times(clock: time, duration: timedelta) -> str:
    midnight = datetime(2000, 1, 1)  # noqa: DTZ001 -- wall time, of any day
    begin = datetime.combine(midnight, clock)
    end = begin + duration
    if end == midnight + timedelta(days=1):
        return f"from {begin:%H:%M} to 24:00"
    later = (end.date() - begin.date()).days
    suffix = "" if not later else " on the next day" if later == 1 else f" {later} days later"
    return f"from {begin:%H:%M} to {end:%H:%M}{suffix}"


def _describe_until(rule: Recurrence) -> str:
    since = f", from {rule.start:%Y-%m-%d} on" if rule.start is not None else ""
    return since + (f", until {rule.until:%Y-%m-%d %H:%M}" if rule.until is not None else "")


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
