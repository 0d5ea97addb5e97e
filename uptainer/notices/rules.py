"""What one notifier is told, and when: rules by event, severity, host and project, and immediately or once a day."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from fnmatch import fnmatchcase
from zoneinfo import ZoneInfo

from uptainer.core.enums import NoticeSeverity
from uptainer.core.errors import InvalidInputError
from uptainer.core.wallclock import find_zone, to_instant, to_local
from uptainer.notices.notice import PREFIX, Event, Notice

IMMEDIATELY = "immediately"
QUIET = (
    Event.UPDATE_PROPOSED,
    Event.UPDATE_APPROVED,
    Event.UPDATE_STARTED,
    Event.UPDATE_REJECTED,
    Event.UPDATE_SUPERSEDED,
)
"""What a notifier is not told unless it asks for it: a step on the way, or an end that somebody chose."""

_ORDER = tuple(NoticeSeverity)
_DAILY = re.compile(r"daily\s+(?P<hour>\d{1,2}):(?P<minute>\d{2})\s+(?P<zone>\S+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Daily:
    """A digest: what came since the last one, when the clocks of a zone show a time of day."""

    clock: time
    zone: ZoneInfo

    def due(self, at: datetime) -> datetime:
        """The first such instant after `at`, in UTC.

        A time that is skipped when the clocks go forward is the first instant after it; one that comes twice when they
        go back counts the first time only.
        """
        today = to_local(at, self.zone).date()
        candidates = (
            to_instant(datetime.combine(today + timedelta(days=days), self.clock), self.zone)
            for days in range(3)
        )
        return next(each for each in candidates if each > at).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Rules:
    """Empty globs are any; a notice that is about several hosts or projects needs one that matches."""

    events: frozenset[Event] = frozenset(Event) - frozenset(QUIET)
    severity: NoticeSeverity = NoticeSeverity.INFO
    hosts: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()
    daily: Daily | None = None

    def wants(self, notice: Notice) -> bool:
        return (
            notice.event in self.events
            and _ORDER.index(notice.severity) >= _ORDER.index(self.severity)
            and _matches(notice.hosts, self.hosts)
            and _matches(notice.projects, self.projects)
        )

    def due(self, at: datetime) -> datetime:
        """When what was noted at `at` is to be told."""
        return at if self.daily is None else self.daily.due(at)


def read_events(names: Iterable[str]) -> frozenset[Event]:
    """Events as people write them: `update.waiting`, or a glob like `host.*`; none at all means the usual ones.

    Raises:
        InvalidInputError: no event is called so.
    """
    found: set[Event] = set()
    for name in names:
        pattern = name.strip().lower().removeprefix(PREFIX)
        matching = [event for event in Event if fnmatchcase(event.short, pattern)]
        if not matching:
            known = ", ".join(event.short for event in Event)
            raise InvalidInputError(f"{name!r} is no event; there are: {known}")
        found.update(matching)
    return frozenset(found) or Rules().events


def read_when(text: str) -> Daily | None:
    """`immediately`, which gives None, or `daily 08:00 Europe/Berlin`.

    Raises:
        InvalidInputError: it is neither, or there is no such time or zone.
    """
    trimmed = " ".join(text.split())
    if trimmed.lower() == IMMEDIATELY:
        return None
    found = _DAILY.fullmatch(trimmed)
    if found is None:
        raise InvalidInputError(f"{text!r}: write `{IMMEDIATELY}`, or `daily 08:00 Europe/Berlin`")
    try:
        clock = time(int(found["hour"]), int(found["minute"]))
    except ValueError:
        raise InvalidInputError(f"{text!r}: {found['hour']}:{found['minute']} is not a time of day") from None
    return Daily(clock, find_zone(found["zone"]))


def _matches(names: tuple[str, ...], globs: tuple[str, ...]) -> bool:
    return not globs or any(fnmatchcase(name, glob) for name in names for glob in globs)
