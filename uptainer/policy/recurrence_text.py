"""RRULE values of RFC 5545, section 3.3.10, in the part that a maintenance window can mean without doubt.

Left out, and refused with what to write instead: frequencies below a day, COUNT, seconds, BYWEEKNO and BYYEARDAY.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, time
from typing import NoReturn
from zoneinfo import ZoneInfo

from uptainer.core.errors import InvalidInputError
from uptainer.core.wallclock import to_local
from uptainer.policy.recurrences import Frequency, Recurrence, Weekday

WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_PARTS = frozenset(
    {"FREQ", "INTERVAL", "UNTIL", "WKST", "BYMONTH", "BYMONTHDAY", "BYDAY", "BYHOUR", "BYMINUTE", "BYSETPOS"}
)
_INSTEAD = {
    "COUNT": "say with UNTIL when the recurrence ends",
    "BYSECOND": "a window starts at a full minute",
    "BYWEEKNO": "use BYMONTH with BYMONTHDAY or BYDAY",
    "BYYEARDAY": "use BYMONTH with BYMONTHDAY or BYDAY",
}
_STARTS_A_DAY = 24
_MAX_INTERVAL = 400
_MAX_POSITION = 366
_LONGEST = 1000
"""Characters. More than any rule needs; Prefect refuses one of 6500, and one label must not stop all schedules."""
_YEARS = range(2000, 9999)
_STAMP = re.compile(r"(\d{8})(?:T(\d{6}))?(Z?)")
_WEEKDAY = re.compile(r"([+-]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU)")


def parse_recurrence(text: str, zone: ZoneInfo) -> Recurrence:
    """Read an RRULE value, with or without `RRULE:` before it, and with or without a `DTSTART:` and a space.

    What the rule leaves open comes from its DTSTART. UNTIL and DTSTART are wall time, unless they end in Z.

    Raises:
        InvalidInputError: it is not a rule, says too little to know when, or is one that this module leaves out.
    """
    if len(text) > _LONGEST:
        raise InvalidInputError(f"a recurrence has at most {_LONGEST} characters, not {len(text)}")
    rule, start = _split_start(text, zone)
    parts = _read_parts(rule)
    frequency = _read_frequency(parts, text)
    given = _complete(parts, frequency, start) if start is not None else parts
    _check_says_when(given, frequency, start, text)
    return Recurrence(
        text=rule if start is None else f"DTSTART:{start:%Y%m%dT%H%M%S} RRULE:{rule}",
        frequency=frequency,
        times=_read_times(given, text),
        interval=_read_interval(given),
        months=_read_numbers(given, "BYMONTH", 1, 12),
        month_days=_read_numbers(given, "BYMONTHDAY", 1, 31, signed=True),
        weekdays=_read_weekdays(given, frequency),
        positions=_read_numbers(given, "BYSETPOS", 1, _MAX_POSITION, signed=True),
        week_start=_read_week_start(given),
        start=start,
        until=_read_stamp(given["UNTIL"], zone) if "UNTIL" in given else None,
    )


def _split_start(text: str, zone: ZoneInfo) -> tuple[str, datetime | None]:
    rule, start = "", None
    for line in text.upper().split():
        if line.startswith("DTSTART:"):
            start = _read_stamp(line.removeprefix("DTSTART:"), zone)
        elif not rule and "=" in line:
            rule = line.removeprefix("RRULE:").strip(";")
        else:
            raise InvalidInputError(
                f"{text!r} is not a recurrence: {line!r} is neither an RRULE nor a DTSTART"
            )
    return rule, start


def _read_stamp(stamp: str, zone: ZoneInfo) -> datetime:
    found = _STAMP.fullmatch(stamp)
    if not found:
        raise InvalidInputError(f"{stamp!r} is not a date and time: write it as 20261231T220000")
    day, clock, utc = found.groups()
    try:
        local = datetime.strptime(f"{day}{clock or '000000'}", "%Y%m%d%H%M%S").replace(second=0)  # noqa: DTZ007 -- wall time
    except ValueError:
        raise InvalidInputError(f"{stamp!r} is not a date and time: there is no such day or hour") from None
    if local.year not in _YEARS:
        raise InvalidInputError(f"{stamp!r} is not between the years {_YEARS[0]} and {_YEARS[-1]}")
    return to_local(local.replace(tzinfo=UTC), zone) if utc else local


def _read_parts(rule: str) -> dict[str, str]:
    parts: dict[str, str] = {}
    for part in filter(None, rule.split(";")):
        name, _, value = part.partition("=")
        if name in _INSTEAD:
            raise InvalidInputError(f"{name} is not taken: {_INSTEAD[name]}")
        if name not in _PARTS or not value or name in parts:
            raise InvalidInputError(f"{part!r} is not a part of a recurrence, or stands there twice")
        parts[name] = value
    return parts


def _read_frequency(parts: Mapping[str, str], text: str) -> Frequency:
    frequency = parts.get("FREQ", "")
    if frequency in {"SECONDLY", "MINUTELY", "HOURLY"}:
        raise InvalidInputError(
            f"FREQ={frequency} is too fine for a maintenance window: use FREQ=DAILY with BYHOUR"
        )
    if frequency not in set(Frequency):
        raise InvalidInputError(f"{text!r} is not a recurrence: FREQ must be one of {', '.join(Frequency)}")
    return Frequency(frequency)


def _complete(parts: Mapping[str, str], frequency: Frequency, start: datetime) -> dict[str, str]:
    given = {"BYHOUR": str(start.hour), "BYMINUTE": str(start.minute), **parts}
    if frequency is Frequency.WEEKLY:
        given.setdefault("BYDAY", WEEKDAYS[start.weekday()])
    elif frequency is not Frequency.DAILY and not given.keys() & {"BYDAY", "BYMONTHDAY"}:
        given["BYMONTHDAY"] = str(start.day)
    if frequency is Frequency.YEARLY and "BYDAY" not in given:
        given.setdefault("BYMONTH", str(start.month))
    return given


def _check_says_when(
    given: Mapping[str, str], frequency: Frequency, start: datetime | None, text: str
) -> None:
    def refuse(what: str) -> NoReturn:
        raise InvalidInputError(f"{text!r} does not say {what}")

    if "BYHOUR" not in given:
        refuse("at what time: add BYHOUR, or a DTSTART")
    if frequency is Frequency.WEEKLY and "BYDAY" not in given:
        refuse("on which day: add BYDAY")
    if frequency in {Frequency.MONTHLY, Frequency.YEARLY} and not given.keys() & {"BYDAY", "BYMONTHDAY"}:
        refuse("on which day: add BYDAY or BYMONTHDAY")
    if frequency is Frequency.YEARLY and not given.keys() & {"BYMONTH", "BYDAY"}:
        refuse("in which month: add BYMONTH")
    if start is None and _read_interval(given) != 1:
        refuse(f"from when every {given['INTERVAL']} counts: add a DTSTART")


def _read_interval(given: Mapping[str, str]) -> int:
    interval = given.get("INTERVAL", "1")
    if not interval.isdecimal() or not 1 <= int(interval) <= _MAX_INTERVAL:
        raise InvalidInputError(f"INTERVAL={interval} is not a number from 1 to {_MAX_INTERVAL}")
    return int(interval)


def _read_times(given: Mapping[str, str], text: str) -> tuple[time, ...]:
    hours = _read_numbers(given, "BYHOUR", 0, 23)
    minutes = _read_numbers(given, "BYMINUTE", 0, 59) or (0,)
    if len(hours) * len(minutes) > _STARTS_A_DAY:
        raise InvalidInputError(
            f"{text!r} starts {len(hours) * len(minutes)} times a day; at most {_STARTS_A_DAY} are taken"
        )
    return tuple(time(hour, minute) for hour in hours for minute in minutes)


def _read_numbers(
    given: Mapping[str, str], name: str, least: int, most: int, *, signed: bool = False
) -> tuple[int, ...]:
    if name not in given:
        return ()
    numbers: set[int] = set()
    for word in given[name].split(","):
        if (
            not re.fullmatch(r"[+-]?[0-9]{1,3}" if signed else r"[0-9]{1,3}", word)
            or not least <= abs(int(word)) <= most
        ):
            raise InvalidInputError(f"{name}={given[name]}: {word!r} is not a number from {least} to {most}")
        numbers.add(int(word))
    return tuple(sorted(numbers))


def _read_weekdays(given: Mapping[str, str], frequency: Frequency) -> tuple[Weekday, ...]:
    if "BYDAY" not in given:
        return ()
    days: list[Weekday] = []
    for word in given["BYDAY"].split(","):
        found = _WEEKDAY.fullmatch(word)
        if not found or (found[1] and not 1 <= abs(int(found[1])) <= 53):  # noqa: PLR2004 -- weeks of a year
            raise InvalidInputError(f"BYDAY={given['BYDAY']}: {word!r} is not a day such as FR, 2TU or -1SU")
        if found[1] and frequency in {Frequency.DAILY, Frequency.WEEKLY}:
            raise InvalidInputError(f"BYDAY={given['BYDAY']} counts days within a month: use FREQ=MONTHLY")
        days.append(Weekday(WEEKDAYS.index(found[2]), int(found[1] or 0)))
    return tuple(days)


def _read_week_start(given: Mapping[str, str]) -> int:
    word = given.get("WKST", "MO")
    if word not in WEEKDAYS:
        raise InvalidInputError(f"WKST={word} is not a day such as MO")
    return WEEKDAYS.index(word)
