"""Maintenance windows and freezes: when something may be done, as arithmetic on instants.

A window recurs in the wall time of its zone, and both its ends are read off the wall: "22:00 to 05:00" closes when
the clock shows 05:00, in every night of the year. A time that a clock change skips means the first instant after
the gap, one that comes twice means its first pass, and a window that lies wholly in the skipped hour opens after
it for its full duration (docs/decisions/0005-windows-in-local-time.md). Instants go in and come out aware of their
zone; they come out in UTC.
"""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import ClassVar
from zoneinfo import ZoneInfo

from uptainer.core.errors import InvalidInputError, RefusedError
from uptainer.core.wallclock import find_zone, to_instant, to_local
from uptainer.policy.durations import format_duration
from uptainer.policy.recurrence_text import parse_recurrence
from uptainer.policy.recurrences import Recurrence

SEARCHED = timedelta(days=5 * 366)
_LOOKAHEAD = timedelta(days=366)
_CLOCK_CHANGE = timedelta(hours=26)


@dataclass(frozen=True, slots=True)
class Opening:
    """A stretch of time: from `opens`, which is in it, to `closes`, which is not."""

    opens: datetime
    closes: datetime

    def __contains__(self, at: datetime) -> bool:
        return self.opens <= at < self.closes


@dataclass(frozen=True, slots=True)
class Window:
    """A recurrence (an RRULE value, see `recurrence_text`), how long it stays open on the wall clock, and its zone.

    Raises:
        InvalidInputError: the recurrence, the duration or the zone is wrong.
    """

    longest: ClassVar[timedelta] = timedelta(days=7)
    noun: ClassVar[str] = "maintenance window"

    recurrence: str
    duration: timedelta
    zone: str
    rule: Recurrence = field(init=False, repr=False, compare=False, hash=False)
    clock: ZoneInfo = field(init=False, repr=False, compare=False, hash=False)

    def __post_init__(self) -> None:
        if not timedelta(minutes=1) <= self.duration <= self.longest:
            raise InvalidInputError(
                f"a {self.noun} lasts from 1m to {format_duration(self.longest)}, not {format_duration(self.duration)}"
            )
        clock = find_zone(self.zone)
        rule = parse_recurrence(self.recurrence, clock)
        object.__setattr__(self, "clock", clock)
        object.__setattr__(self, "rule", rule)
        object.__setattr__(self, "recurrence", rule.text)

    def occurrences(self, start: datetime, end: datetime) -> Iterator[Opening]:
        """Each time that it is open between two instants, whole, in order; they may overlap each other."""
        first = to_local(start, self.clock) - self.duration - _CLOCK_CHANGE
        last = to_local(end, self.clock) + _CLOCK_CHANGE
        for local in self.rule.starts(first, last):
            opening = self._resolve(local)
            if opening.closes > start and opening.opens < end:
                yield opening

    def _resolve(self, local: datetime) -> Opening:
        opens = to_instant(local, self.clock)
        closes = to_instant(local + self.duration, self.clock)
        return Opening(opens, closes if closes > opens else opens + self.duration)


class Freeze(Window):
    """A window that forbids; it may last longer than one that allows."""

    __slots__ = ()
    longest: ClassVar[timedelta] = timedelta(days=100)
    noun: ClassVar[str] = "freeze"


def is_open(windows: Sequence[Window], freezes: Sequence[Freeze], at: datetime) -> bool:
    """Whether something may be done at this instant. No windows at all means at any time, save in a freeze."""
    return (not windows or _covers(windows, at)) and not _covers(freezes, at)


def openings(
    windows: Sequence[Window], freezes: Sequence[Freeze], start: datetime, end: datetime
) -> Iterator[Opening]:
    """The times open between two instants, in order, with what touches joined and freezes cut out.

    Without windows the whole stretch is one opening; an opening of a window is given whole, also where it reaches
    beyond `start` or `end`.
    """
    joined = _join(windows, start, end) if windows else iter((Opening(_utc(start), _utc(end)),))
    # An opening that is given whole is cut by freezes beyond `start` and `end` too.
    frozen = _join(freezes, start - Window.longest - _CLOCK_CHANGE, end + Window.longest + _CLOCK_CHANGE)
    for piece in _cut(joined, frozen):
        if piece.closes > start and piece.opens < end:
            yield piece


def next_opening(windows: Sequence[Window], freezes: Sequence[Freeze], at: datetime) -> datetime | None:
    """The first instant from `at` on that is open, which may be `at` itself; None: none within `SEARCHED`."""
    if is_open(windows, freezes, at):
        return _utc(at)
    for opening in openings(windows, freezes, at, at + SEARCHED):
        return opening.opens
    return None


def closes_at(windows: Sequence[Window], freezes: Sequence[Freeze], at: datetime) -> datetime | None:
    """When what is open at this instant closes; None: it does not within a year.

    Raises:
        RefusedError: nothing is open at this instant.
    """
    end = _utc(at) + _LOOKAHEAD
    for opening in openings(windows, freezes, at, end):
        if at in opening:
            return opening.closes if opening.closes < end else None
        break
    raise RefusedError(f"no maintenance window is open at {_utc(at):%Y-%m-%d %H:%M} UTC")


def _covers(windows: Iterable[Window], at: datetime) -> bool:
    moment = timedelta(microseconds=1)
    return any(at in opening for window in windows for opening in window.occurrences(at, at + moment))


def _join(windows: Sequence[Window], start: datetime, end: datetime) -> Iterator[Opening]:
    """The union, lazily: `heapq.merge` takes from each window only as much as is asked for."""
    merged = heapq.merge(*(window.occurrences(start, end) for window in windows), key=lambda each: each.opens)
    current: Opening | None = None
    for opening in merged:
        if current is not None and opening.opens <= current.closes:
            current = Opening(current.opens, max(current.closes, opening.closes))
            continue
        if current is not None:
            yield current
        current = opening
    if current is not None:
        yield current


def _cut(openings: Iterator[Opening], freezes: Iterator[Opening]) -> Iterator[Opening]:
    """Both in order and each apart among themselves: one pass over the two."""
    frozen = next(freezes, None)
    for opening in openings:
        free_from = opening.opens
        while frozen is not None and frozen.opens < opening.closes:
            if frozen.opens > free_from:
                yield Opening(free_from, frozen.opens)
            free_from = max(free_from, frozen.closes)
            if frozen.closes > opening.closes:
                break
            frozen = next(freezes, None)
        if free_from < opening.closes:
            yield Opening(free_from, opening.closes)


def _utc(at: datetime) -> datetime:
    return at.astimezone(UTC)
