"""When a recurrence starts, in wall time: RFC 5545, section 3.3.10, evaluated day by day.

A general evaluator searches a rule that never matches ("30 February") up to the year 9999, which takes seconds and
can't be interrupted; here the cost is the number of days asked for, whatever the rule.
"""

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum


class Frequency(StrEnum):
    DAILY = "DAILY"
    WEEKLY = "WEEKLY"
    MONTHLY = "MONTHLY"
    YEARLY = "YEARLY"


@dataclass(frozen=True, slots=True)
class Weekday:
    """A day of the week, Monday is 0. `nth` counts within month or year, from its end if negative; 0 is each one."""

    index: int
    nth: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurrence:
    """A checked rule (`recurrence_text` reads one). An empty tuple means no such part; `text` is its RRULE value."""

    text: str
    frequency: Frequency
    times: tuple[time, ...]
    interval: int = 1
    months: tuple[int, ...] = ()
    month_days: tuple[int, ...] = ()
    weekdays: tuple[Weekday, ...] = ()
    positions: tuple[int, ...] = ()
    week_start: int = 0
    start: datetime | None = None
    until: datetime | None = None

    def starts(self, first: datetime, last: datetime) -> Iterator[datetime]:
        """The local times from `first` to `last`, both included, at which it starts, in order."""
        begin = first if self.start is None else max(first, self.start)
        end = last if self.until is None else min(last, self.until)
        for local in self._candidates(begin.date(), end.date()):
            if begin <= local <= end:
                yield local

    def _candidates(self, begin: date, end: date) -> Iterator[datetime]:
        if not self.positions:
            for day in _days(begin, end):
                yield from self._times_on(day)
            return
        day = self._period(begin)
        while day <= end:
            following = self._next_period(day)
            found = [
                local for each in _days(day, following - timedelta(days=1)) for local in self._times_on(each)
            ]
            yield from sorted({found[index] for index in self._indices(len(found))})
            day = following

    def _times_on(self, day: date) -> Iterator[datetime]:
        if self._matches(day):
            for clock in self.times:
                yield datetime.combine(day, clock)

    def _indices(self, length: int) -> Iterator[int]:
        for position in self.positions:
            index = position - 1 if position > 0 else length + position
            if 0 <= index < length:
                yield index

    def _matches(self, day: date) -> bool:
        if self.months and day.month not in self.months:
            return False
        if self.month_days and not _counted(day.day, monthrange(day.year, day.month)[1], self.month_days):
            return False
        if self.weekdays and not any(self._is(day, weekday) for weekday in self.weekdays):
            return False
        return self.interval == 1 or self._in_phase(day)

    def _is(self, day: date, weekday: Weekday) -> bool:
        if day.weekday() != weekday.index:
            return False
        if not weekday.nth:
            return True
        if self.frequency is Frequency.YEARLY and not self.months:
            length = date(day.year, 12, 31).timetuple().tm_yday
            place = day.timetuple().tm_yday
        else:
            length, place = monthrange(day.year, day.month)[1], day.day
        nth = (place - 1) // 7 + 1 if weekday.nth > 0 else -((length - place) // 7 + 1)
        return nth == weekday.nth

    def _in_phase(self, day: date) -> bool:
        """Whether the period of `day` is a multiple of the interval after that of the start."""
        assert self.start is not None
        origin, period = self._period(self.start.date()), self._period(day)
        match self.frequency:
            case Frequency.DAILY:
                distance = (period - origin).days
            case Frequency.WEEKLY:
                distance = (period - origin).days // 7
            case Frequency.MONTHLY:
                distance = (period.year - origin.year) * 12 + period.month - origin.month
            case Frequency.YEARLY:
                distance = period.year - origin.year
        return distance % self.interval == 0

    def _period(self, day: date) -> date:
        """The first day of the day, week, month or year that `day` lies in."""
        match self.frequency:
            case Frequency.DAILY:
                return day
            case Frequency.WEEKLY:
                return day - timedelta(days=(day.weekday() - self.week_start) % 7)
            case Frequency.MONTHLY:
                return day.replace(day=1)
            case Frequency.YEARLY:
                return day.replace(month=1, day=1)

    def _next_period(self, first: date) -> date:
        lengths = {Frequency.DAILY: 1, Frequency.WEEKLY: 7, Frequency.MONTHLY: 31, Frequency.YEARLY: 366}
        return self._period(first + timedelta(days=lengths[self.frequency]))


def _days(begin: date, end: date) -> Iterator[date]:
    for offset in range((end - begin).days + 1):
        yield begin + timedelta(days=offset)


def _counted(place: int, length: int, wanted: tuple[int, ...]) -> bool:
    """Whether a list of places from the start (1) and from the end (-1) names this one."""
    return place in wanted or place - length - 1 in wanted
