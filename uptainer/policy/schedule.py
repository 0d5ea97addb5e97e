"""Which update goes first, and which is not begun because it would not be done before the window closes."""

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from graphlib import CycleError, TopologicalSorter

from uptainer.core.errors import InvalidInputError
from uptainer.core.findings import Finding, Verdict


@dataclass(frozen=True, slots=True)
class PlannedUpdate:
    """An update that may be applied. `key` is its workload's, as `depends_on` names those it needs.

    `urgency` is a decision's (4: fixes something critical), `duration` how long it is expected to take, `closes_at`
    when its own window closes.
    """

    key: str
    approved_at: datetime
    duration: timedelta
    urgency: int = 0
    depends_on: frozenset[str] = field(default_factory=frozenset)
    closes_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Start:
    """`at` is when it would begin if each took as long as expected."""

    update: PlannedUpdate
    at: datetime


@dataclass(frozen=True, slots=True)
class Schedule:
    """What is begun, in this order, one after the other; and what is left, each with the reason."""

    starts: tuple[Start, ...]
    left: tuple[tuple[PlannedUpdate, Finding], ...]


def schedule(updates: Iterable[PlannedUpdate], now: datetime, closes: datetime | None = None) -> Schedule:
    """The updates of one host: what a workload needs comes before it; among those that may be next, the most urgent, then the oldest.

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
    starts: list[Start] = []
    at = now
    for update in _in_order([each for key, each in planned.items() if key not in left]):
        missing = sorted(update.depends_on & left.keys())
        end = min((each for each in (closes, update.closes_at) if each is not None), default=None)
        if missing:
            left[update.key] = _left(f"it needs {missing[0]}, which is not updated now")
        elif end is not None and at + update.duration > end:
            left[update.key] = _left(
                f"it would not be done when the window closes at {end:%Y-%m-%d %H:%M %Z}"
            )
        else:
            starts.append(Start(update, at))
            at += update.duration
    return Schedule(tuple(starts), tuple((planned[key], finding) for key, finding in left.items()))


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
