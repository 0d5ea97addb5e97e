"""Lengths of time as a person writes them: `90s`, `10m`, `7h`, `1h30m`, `3d`, `2w`."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from uptainer.core.errors import InvalidInputError

_PART = re.compile(r"(\d{1,9})\s*([wdhms])")
_WHOLE = re.compile(r"(?:\d{1,9}\s*[wdhms]\s*)+")
_UNITS = {"w": "weeks", "d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_STEPS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
_LONGEST = timedelta(days=3660)


def parse_duration(text: str) -> timedelta:
    """Read `1h30m` and the like.

    Raises:
        InvalidInputError: it is not a duration, a number has no unit, or it is longer than ten years.
    """
    trimmed = text.strip().lower()
    if not _WHOLE.fullmatch(trimmed):
        raise InvalidInputError(
            f"{text!r} is not a duration: write it with its unit, like 90s, 10m, 7h or 3d"
        )
    parts = [(int(number), _UNITS[unit]) for number, unit in _PART.findall(trimmed)]
    # Seconds first: a week count near the limit of timedelta must give our message, not an OverflowError.
    seconds = sum(number * timedelta(**{unit: 1}).total_seconds() for number, unit in parts)
    if seconds > _LONGEST.total_seconds():
        raise InvalidInputError(f"{text!r} is longer than ten years")
    return timedelta(seconds=seconds)


def format_duration(duration: timedelta) -> str:
    """`1h30m`, in days, hours, minutes and whole seconds: `parse_duration` reads it back."""
    left = int(duration.total_seconds())
    parts: list[str] = []
    for unit, size in _STEPS:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def _read(value: object) -> timedelta:
    if isinstance(value, timedelta):
        if value < timedelta(0):
            raise ValueError("a duration cannot be negative")
        return value
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a duration: write it with its unit, like 90s, 10m, 7h or 3d")  # noqa: TRY004 -- pydantic turns a ValueError, not a TypeError, into its own error
    try:
        return parse_duration(value)
    except InvalidInputError as error:
        raise ValueError(str(error)) from error


Duration = Annotated[
    timedelta,
    BeforeValidator(_read),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "examples": ["3d", "1h30m"]}),
]
