"""Which update goes first, and which is not begun because it would not be done before the window closes."""

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from graphlib import CycleError, TopologicalSorter

from uptainer.core.errors import InvalidInputError
from uptainer.core.findings import Finding, Verdict


@dataclass(frozen=True, slots=True)
class PlannedUpdate:
    """An update that may be applied. `key` is its workload's, as `depends_on` names those it needs, on its `host`.

    `urgency` is a decision's (4: fixes something critical), `duration` how long it is expected to take, `closes_at`
    when its own window closes.
    """

    key: str
    approved_at: datetime
    duration: timedelta
    urgency: int = 0
    depends_on: frozenset[str] = field(default_factory=frozenset)
    closes_at: datetime | None = None
    host: str = ""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many updates at one time there may be on one host, and on the server that several hosts may share."""

    host: int = 1
    server: int = 1


@dataclass(frozen=True, slots=True)
class Start:
    """`at` is when it would begin if each took as long as expected."""

    update: PlannedUpdate
    at: datetime


@dataclass(frozen=True, slots=True)
class Schedule:
    """What is begun, in this order; and what is left, each with the reason."""

    starts: tuple[Start, ...]
    left: tuple[tuple[PlannedUpdate, Finding], ...]


ONE_BY_ONE = Bounds()


def schedule(
    updates: Iterable[PlannedUpdate],
    now: datetime,
    closes: datetime | None = None,
    bounds: Bounds = ONE_BY_ONE,
) -> Schedule:
    """The updates of one server: what a workload needs comes before it; among those that may be next, the most urgent, then the oldest.

    An update that would end after its window closes, or after `closes` (None: never), is left, and with it what depends
    on it, for a new version may need the other's new one; a shorter one behind it may still fit. What depends on itself
    in a circle is left.

    Raises:
        InvalidInputError: there are two updates of one workload.
    """
    planned: dict[str, PlannedUpdate] = {}
    for update in updates:
        if planned.setdefault(update.key, update) is not update:
            raise InvalidInputError(f"there is more than one update of {update.key}")
    circles = _find_circles(planned)
    left: dict[str, Finding] = {key: _circle(path) for path in circles for key in path}
    going = [each for key, each in planned.items() if key not in left]
    starts = _place(_in_order(going), now, closes, bounds, left)
    return Schedule(tuple(starts), tuple((planned[key], finding) for key, finding in left.items()))


def _place(
    ordered: Sequence[PlannedUpdate],
    now: datetime,
    closes: datetime | None,
    bounds: Bounds,
    left: dict[str, Finding],
) -> list[Start]:
    """Begin what may begin whenever a place is free, until nothing waits; what cannot be done is put to the `left`."""
    waiting, running, starts, at = list(ordered), _Running(ordered, bounds), list[Start](), now
    while waiting:
        for update in tuple(waiting):
            if running.is_full:
                break
            if not running.has_place_for(update):
                continue
            waiting.remove(update)
            finding = _reason_to_leave(update, at, closes, left)
            if finding is None:
                starts.append(Start(update, at))
                running.add(update, at + update.duration)
            else:
                left[update.key] = finding
                running.give_up(update)
        if waiting:
            at = running.end_next()
    return starts


def _reason_to_leave(
    update: PlannedUpdate, at: datetime, closes: datetime | None, left: Mapping[str, Finding]
) -> Finding | None:
    missing = sorted(update.depends_on & left.keys())
    end = min((each for each in (closes, update.closes_at) if each is not None), default=None)
    if missing:
        return _left(f"it needs {missing[0]}, which is not updated now")
    if end is not None and at + update.duration > end:
        return _left(f"it would not be done when the window closes at {end:%Y-%m-%d %H:%M %Z}")
    return None


class _Running:
    """What is under way, by when it will be done, and what is still to come."""

    def __init__(self, updates: Iterable[PlannedUpdate], bounds: Bounds) -> None:
        self._bounds = bounds
        self._ends: list[tuple[datetime, str, str]] = []
        self._on_host = Counter[str]()
        self._unfinished = {each.key for each in updates}

    @property
    def is_full(self) -> bool:
        return len(self._ends) >= self._bounds.server

    def has_place_for(self, update: PlannedUpdate) -> bool:
        """A place on its host, and all that it needs done or given up."""
        return self._on_host[update.host] < self._bounds.host and not update.depends_on & self._unfinished

    def add(self, update: PlannedUpdate, end: datetime) -> None:
        heapq.heappush(self._ends, (end, update.key, update.host))
        self._on_host[update.host] += 1

    def give_up(self, update: PlannedUpdate) -> None:
        self._unfinished.discard(update.key)

    def end_next(self) -> datetime:
        """Let end whatever ends first, and say when."""
        end = self._ends[0][0]
        while self._ends and self._ends[0][0] == end:
            _, key, host = heapq.heappop(self._ends)
            self._unfinished.discard(key)
            self._on_host[host] -= 1
        return end


def _in_order(updates: Sequence[PlannedUpdate]) -> list[PlannedUpdate]:
    planned = {update.key: update for update in updates}
    sorter = TopologicalSorter(_needs(planned))
    sorter.prepare()
    ready: list[tuple[int, datetime, str]] = []
    ordered: list[PlannedUpdate] = []
    while sorter.is_active():
        for key in sorter.get_ready():
            heapq.heappush(ready, (-planned[key].urgency, planned[key].approved_at, key))
        key = heapq.heappop(ready)[2]
        ordered.append(planned[key])
        sorter.done(key)
    return ordered


def _find_circles(planned: Mapping[str, PlannedUpdate]) -> list[tuple[str, ...]]:
    left = dict(planned)
    circles: list[tuple[str, ...]] = []
    while True:
        try:
            TopologicalSorter(_needs(left)).prepare()
        except CycleError as error:
            # graphlib gives the circle with its first member repeated at the end, each one before what needs it.
            circle = tuple(reversed(error.args[1][1:]))
            circles.append(circle)
            left = {key: update for key, update in left.items() if key not in circle}
        else:
            return circles


def _needs(planned: Mapping[str, PlannedUpdate]) -> dict[str, frozenset[str]]:
    """Only what is planned itself: a workload that is not updated now need not be waited for."""
    return {key: update.depends_on & planned.keys() for key, update in planned.items()}


def _circle(path: Sequence[str]) -> Finding:
    return Finding(
        "order", Verdict.BLOCK, f"{' needs '.join((*path, path[0]))}, in a circle: correct their depends-on"
    )


def _left(reason: str) -> Finding:
    return Finding("order", Verdict.WAIT, reason)
