"""What is due on one server: how many at a time, in which order, and what is left when one fails."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field

import pytest

from flows.applying import Applied, apply_due
from uptainer.fleet.maintenance import Due, ServerPlan
from uptainer.policy.schedule import Bounds

pytestmark = pytest.mark.anyio


def due(address: str, *needs: str) -> Due:
    host, _, workload = address.partition("/")
    return Due(hash(address), address, host, workload, frozenset(needs))


@dataclass
class Worker:
    """Carries out what it is given, and remembers what went on at the same time."""

    failing: frozenset[str] = frozenset()
    begun: list[str] = field(default_factory=list)
    running: Counter[str] = field(default_factory=Counter)
    most: Counter[str] = field(default_factory=Counter)

    async def apply(self, update: Due) -> str:
        self.begun.append(update.title)
        self.running.update({update.host: 1, "all": 1})
        self.most |= self.running
        for _ in range(5):
            await asyncio.sleep(0)
        self.running.subtract({update.host: 1, "all": 1})
        return f"{update.title} failed" if update.title in self.failing else ""


FLEET = tuple(due(f"{host}/{name}") for name in "abc" for host in ("docker", "podman", "swarm"))


@pytest.mark.parametrize(("host", "server", "at_once"), [(1, 1, 1), (1, 2, 2), (2, 3, 3), (1, 9, 3)])
async def test_no_more_than_the_bounds_say_run_at_a_time(host: int, server: int, at_once: int) -> None:
    worker = Worker()
    plan = ServerPlan("machine", FLEET, (), Bounds(host, server))
    assert await apply_due(plan, worker.apply) == Applied(len(FLEET), ())
    assert worker.most["all"] == at_once
    assert max(worker.most[each] for each in ("docker", "podman", "swarm")) <= host
    assert worker.begun[0] == FLEET[0].title


async def test_nothing_begins_before_what_it_needs_is_done_and_others_go_on_meanwhile() -> None:
    worker = Worker()
    plan = ServerPlan(
        "machine", (due("a/db"), due("a/api", "db"), due("a/web", "api"), due("a/x")), (), Bounds(4, 4)
    )
    await apply_due(plan, worker.apply)
    assert worker.begun == ["a/db", "a/x", "a/api", "a/web"]


async def test_what_needs_one_that_failed_is_left_and_said_and_the_same_name_elsewhere_is_not() -> None:
    worker = Worker(failing=frozenset({"a/db"}))
    plan = ServerPlan(
        "machine", (due("a/db"), due("b/db"), due("a/api", "db"), due("a/web", "api"), due("b/api", "db")), ()
    )
    applied = await apply_due(plan, worker.apply)
    assert applied == Applied(
        2,
        (
            "a/db failed",
            "a/api: it needs db, which was not updated",
            "a/web: it needs api, which was not updated",
        ),
    )


async def test_a_run_that_breaks_ends_no_other() -> None:
    worker = Worker()

    async def apply(update: Due) -> str:
        if update.workload == "db":
            raise ConnectionResetError("gone")
        return await worker.apply(update)

    with pytest.raises(ConnectionResetError):
        await apply_due(ServerPlan("machine", (due("a/db"), due("a/x"), due("b/y")), ()), apply)
    assert worker.begun == ["a/x", "b/y"]
