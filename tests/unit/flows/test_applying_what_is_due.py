"""What is due on one server: how many at a time, in which order, and what is left when one fails."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field, replace

import pytest

from flows.applying import Applied, Groups, apply_due
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
    assert await apply_due(plan, worker.apply, Groups()) == Applied(len(FLEET), ())
    assert worker.most["all"] == at_once
    assert max(worker.most[each] for each in ("docker", "podman", "swarm")) <= host
    assert worker.begun[0] == FLEET[0].title


async def test_nothing_begins_before_what_it_needs_is_done_and_others_go_on_meanwhile() -> None:
    worker = Worker()
    plan = ServerPlan(
        "machine", (due("a/db"), due("a/api", "db"), due("a/web", "api"), due("a/x")), (), Bounds(4, 4)
    )
    await apply_due(plan, worker.apply, Groups())
    assert worker.begun == ["a/db", "a/x", "a/api", "a/web"]


async def test_what_needs_one_that_failed_is_left_and_said_and_the_same_name_elsewhere_is_not() -> None:
    worker = Worker(failing=frozenset({"a/db"}))
    plan = ServerPlan(
        "machine", (due("a/db"), due("b/db"), due("a/api", "db"), due("a/web", "api"), due("b/api", "db")), ()
    )
    applied = await apply_due(plan, worker.apply, Groups())
    assert applied == Applied(
        2,
        (
            "a/db failed",
            "a/api: it needs db, which was not updated",
            "a/web: it needs api, which was not updated",
        ),
    )


async def test_those_of_a_group_go_one_after_another_on_all_servers_and_stop_at_the_first_that_fails() -> (
    None
):
    def member(address: str) -> Due:
        return replace(due(address), group="dns")

    worker, groups = Worker(failing=frozenset({"b/dns"})), Groups()
    first = ServerPlan("one", (member("a/dns"), member("a/dns-2"), due("a/x")), (), Bounds(4, 4))
    second = ServerPlan("two", (member("b/dns"), member("b/dns-2")), (), Bounds(4, 4))
    done = await asyncio.gather(*(apply_due(plan, worker.apply, groups) for plan in (first, second)))
    assert worker.most["all"] == 2  # one of the group, and the one that is in none
    assert done == [
        Applied(3, ()),
        Applied(0, ("b/dns failed", "b/dns-2: b/dns of its group dns was not updated")),
    ]


async def test_a_run_that_breaks_ends_no_other() -> None:
    worker = Worker()

    async def apply(update: Due) -> str:
        if update.workload == "db":
            raise ConnectionResetError("gone")
        return await worker.apply(update)

    with pytest.raises(ConnectionResetError):
        await apply_due(ServerPlan("machine", (due("a/db"), due("a/x"), due("b/y")), ()), apply, Groups())
    assert worker.begun == ["a/x", "b/y"]
