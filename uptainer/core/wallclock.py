"""From the time on the wall to the instant that it means, also in the nights when the clocks are changed."""

from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from uptainer.core.errors import InvalidInputError


def find_zone(name: str) -> ZoneInfo:
    """The IANA zone of this name.

    Raises:
        InvalidInputError: there is none; the message names one that is spelled like it.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidInputError(f"{name!r} is not a time zone{_hint(name)}") from None


def to_instant(local: datetime, zone: ZoneInfo) -> datetime:
    """The instant, in UTC, at which the clocks of `zone` show the naive `local`.

    An hour that is skipped gives the first instant after the gap; one that comes twice gives its first pass.
    """
    instant = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if to_local(instant, zone) == local:
        return instant
    return _gap_end(local, zone)


def to_local(instant: datetime, zone: ZoneInfo) -> datetime:
    """What the clocks of `zone` show at this instant, as a naive datetime."""
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)


def _gap_end(local: datetime, zone: ZoneInfo) -> datetime:
    """Bisects for the change of offset: inside a gap, reading with fold=1 lies before it and with fold=0 after."""
    before = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
    after = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    old_offset = before.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = (before + (after - before) / 2).replace(microsecond=0)
        if middle.astimezone(zone).utcoffset() == old_offset:
            before = middle
        else:
            after = middle
    return after


def _hint(name: str) -> str:
    spelled_like = get_close_matches(name, available_timezones(), n=1)
    return (
        f": did you mean {spelled_like[0]}?" if spelled_like else ": use an IANA name such as Europe/Berlin"
    )
