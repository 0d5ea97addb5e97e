"""What is due, applied on all servers: no more at a time than their bounds say, and nothing before what it needs.

One run does it all, so it plans again while updates run: what a window has opened for meanwhile, or a person has
approved, begins beside what takes long.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from operator import itemgetter
from typing import TypeAlias

from uptainer.fleet.maintenance import Due, ServerPlan

AT_ONCE = 32
"""Updates on all servers: each takes one of the forty threads that a process has for them, and planning needs some too."""

Plan: TypeAlias = Callable[[], Awaitable[Sequence[ServerPlan]]]
"""Says what is due now."""
Apply: TypeAlias = Callable[[Due], Awaitable[str]]
"""Carries one update out; why it did not succeed, or ""."""


@dataclass(frozen=True, slots=True)
class Applied:
    """How many updates succeeded; a sentence on each that was not applied when its turn came; and what is for later."""

    succeeded: int
    not_done: tuple[str, ...]
    left: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pace:
    """How often it is planned again, and how long one that was not applied rests: as long as `maintain`'s sweep takes
    to come round, for a run that it starts meanwhile would be cancelled.
    """

    again: timedelta = timedelta(minutes=1)
    rest: timedelta = timedelta(minutes=15)


USUAL = Pace()


async def apply_due(plan: Plan, apply: Apply, pace: Pace = USUAL) -> Applied:
    """Go on until nothing runs and nothing more is due.

    What needs a workload whose update did not succeed is left for later, and so is the rest of its group.

    Raises:
        Exception: it could not be planned, and nothing runs.
    """
    work = _Maintenance(plan, apply, pace)
    while await work.begin():
        await work.go_on()
    return work.applied()


@dataclass(frozen=True, slots=True)
class _Turn:
    """An update that is due, with the plan of its server."""

    due: Due
    plan: ServerPlan

    @property
    def workload(self) -> tuple[str, str]:
        return self.due.host, self.due.workload


class _Maintenance:
    """What runs, what waits for its turn in the plan's order, and what rests since it was not applied."""

    def __init__(self, plan: Plan, apply: Apply, pace: Pace) -> None:
        self._plan = plan
        self._apply = apply
        self._pace = pace
        self._waiting: list[_Turn] = []
        self._running: dict[asyncio.Task[str], _Turn] = {}
        self._resting: dict[tuple[str, str], tuple[_Turn, float]] = {}
        self._held: set[tuple[str, str]] = set()
        self._begun = Counter[str]()
        self._said: dict[int, str] = {}
        self._left: tuple[str, ...] = ()

    async def begin(self) -> bool:
        """Plan anew, and begin what may; whether anything runs."""
        plans = await self._ask()
        now = asyncio.get_running_loop().time()
        self._resting = {key: each for key, each in self._resting.items() if each[1] > now}
        self._held = set(self._resting)
        taken = {each.workload for each in self._running.values()} | self._held
        self._waiting = [each for each in self._in_turn(plans) if each.workload not in taken]
        self._begin_what_may()
        return bool(self._running)

    async def go_on(self) -> None:
        """Until it is time to plan again, or nothing runs any more."""
        loop = asyncio.get_running_loop()
        over = loop.time() + self._pace.again.total_seconds()
        is_over = False
        while self._running and not is_over:
            left = max(over - loop.time(), 0)
            ended, _ = await asyncio.wait(self._running, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            for each in ended:
                self._note(self._running.pop(each), each.result())
            self._begin_what_may()
            is_over = loop.time() >= over

    def applied(self) -> Applied:
        not_done = tuple(said for said in self._said.values() if said)
        left = tuple(each for each in self._left if not any(said.startswith(each) for said in not_done))
        return Applied(len(self._said) - len(not_done), not_done, left)

    async def _ask(self) -> Sequence[ServerPlan]:
        """While updates run, one that cannot be asked for is asked for again later, and nothing new begins."""
        try:
            plans = await self._plan()
        except Exception:
            if not self._running:
                raise
            return ()
        self._left = tuple(f"{title}: {reason}" for plan in plans for title, reason in plan.left)
        return plans

    def _in_turn(self, plans: Sequence[ServerPlan]) -> Sequence[_Turn]:
        """Each server's in their order; of the servers, the one that has begun the fewest first."""
        turns = [
            (self._begun[plan.server] + place, _Turn(due, plan))
            for plan in plans
            for place, due in enumerate(plan.due)
        ]
        return [turn for _, turn in sorted(turns, key=itemgetter(0))]

    def _begin_what_may(self) -> None:
        """In the plan's order, in which nothing stands before what it needs."""
        waiting, self._waiting = self._waiting, []
        for turn in waiting:
            why = self._why_not(turn.due)
            if why:
                self._said[turn.due.update_id] = why
                self._held.add(turn.workload)
            elif self._may_begin(turn):
                self._running[asyncio.create_task(self._try(turn.due))] = turn
                self._begun[turn.plan.server] += 1
            else:
                self._waiting.append(turn)

    def _why_not(self, due: Due) -> str:
        for needed in sorted(due.depends_on):
            if (due.host, needed) in self._held:
                return f"{due.title}: it needs {needed}, which was not updated"
        for (host, workload), (failed, _) in self._resting.items():
            if due.group and failed.due.group == due.group:
                return f"{due.title}: {host}/{workload} of its group {due.group} was not updated"
        return ""

    def _may_begin(self, turn: _Turn) -> bool:
        due, bounds, running = turn.due, turn.plan.bounds, self._running.values()
        return (
            len(running) < AT_ONCE
            and sum(each.due.host == due.host for each in running) < bounds.host
            and sum(each.plan.server == turn.plan.server for each in running) < bounds.server
            and not any(due.group and each.due.group == due.group for each in running)
            and not any(_needs(due, each.due) for each in (*running, *self._waiting))
        )

    async def _try(self, due: Due) -> str:
        try:
            return await self._apply(due)
        except Exception as error:  # noqa: BLE001 -- whatever ended it, the others go on to their ends
            return f"{due.title}: {error}"

    def _note(self, turn: _Turn, why: str) -> None:
        self._said[turn.due.update_id] = why
        if why:
            rested = asyncio.get_running_loop().time() + self._pace.rest.total_seconds()
            self._resting[turn.workload] = turn, rested
            self._held.add(turn.workload)


def _needs(due: Due, other: Due) -> bool:
    return due.host == other.host and other.workload in due.depends_on
