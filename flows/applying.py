"""What is due on one server, applied: no more at a time than its bounds say, and nothing before what it needs."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from uptainer.fleet.maintenance import Due, ServerPlan


@dataclass(frozen=True, slots=True)
class Applied:
    """How many updates succeeded; of each other one, a sentence that says why not."""

    succeeded: int
    not_done: tuple[str, ...]


Apply = Callable[[Due], Awaitable[str]]
"""Carries one update out; why it did not succeed, or ""."""


async def apply_due(plan: ServerPlan, apply: Apply) -> Applied:
    """What needs a workload whose update did not succeed is left for the next time.

    Raises:
        Exception: what ended one of the runs; the others have gone on to their ends.
    """
    gates = _Gates(plan, apply)
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

    def __init__(self, plan: ServerPlan, apply: Apply) -> None:
        self._apply = apply
        self._server = asyncio.Semaphore(plan.bounds.server)
        self._hosts = defaultdict[str, asyncio.Semaphore](lambda: asyncio.Semaphore(plan.bounds.host))

    async def pass_through(self, due: Due, needed: Mapping[str, asyncio.Task[str]]) -> str:
        """Why it was not applied, or ""."""
        for workload in sorted(needed):
            if await needed[workload]:
                return f"{due.title}: it needs {workload}, which was not updated"
        async with self._hosts[due.host], self._server:
            return await self._apply(due)
