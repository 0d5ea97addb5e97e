"""What is due on one server, applied: no more at a time than its bounds say, and nothing before what it needs."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field

from uptainer.fleet.maintenance import Due, ServerPlan


@dataclass(frozen=True, slots=True)
class Applied:
    """How many updates succeeded; of each other one, a sentence that says why not."""

    succeeded: int
    not_done: tuple[str, ...]


Apply = Callable[[Due], Awaitable[str]]
"""Carries one update out; why it did not succeed, or ""."""


@dataclass(frozen=True, slots=True)
class Groups:
    """What the updates of a group know of each other, on all servers: whose turn it is, and which one did not succeed."""

    turns: defaultdict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))
    not_done: dict[str, str] = field(default_factory=dict)


async def apply_due(plan: ServerPlan, apply: Apply, groups: Groups) -> Applied:
    """What needs a workload whose update did not succeed is left for the next time, and so is the rest of its group.

    Raises:
        Exception: what ended one of the runs; the others have gone on to their ends.
    """
    gates = _Gates(plan, apply, groups)
    runs: dict[tuple[str, str], asyncio.Task[str]] = {}
    for due in plan.due:
        needed = {each: runs[due.host, each] for each in due.depends_on if (due.host, each) in runs}
        runs[due.host, due.workload] = asyncio.create_task(gates.pass_through(due, needed))
    ended = await asyncio.gather(*runs.values(), return_exceptions=True)
    for each in ended:
        if isinstance(each, BaseException):
            raise each
    said = [each for each in ended if isinstance(each, str)]
    return Applied(said.count(""), tuple(each for each in said if each))


class _Gates:
    """Whoever comes first goes first: the updates come in the plan's order."""

    def __init__(self, plan: ServerPlan, apply: Apply, groups: Groups) -> None:
        self._apply = apply
        self._groups = groups
        self._server = asyncio.Semaphore(plan.bounds.server)
        self._hosts = defaultdict[str, asyncio.Semaphore](lambda: asyncio.Semaphore(plan.bounds.host))

    async def pass_through(self, due: Due, needed: Mapping[str, asyncio.Task[str]]) -> str:
        """Why it was not applied, or ""."""
        for workload in sorted(needed):
            if await needed[workload]:
                return f"{due.title}: it needs {workload}, which was not updated"
        turn = self._groups.turns[due.group] if due.group else nullcontext()
        async with turn, self._hosts[due.host], self._server:
            return await self._apply_in_group(due)

    async def _apply_in_group(self, due: Due) -> str:
        stopped_by = self._groups.not_done.get(due.group)
        if stopped_by:
            return f"{due.title}: {stopped_by} of its group {due.group} was not updated"
        why = await self._apply(due)
        if why and due.group:
            self._groups.not_done[due.group] = f"{due.host}/{due.workload}"
        return why
