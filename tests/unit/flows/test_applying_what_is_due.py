"""What is due on all servers: how many at a time, in which order, what is left when one fails, and what comes meanwhile."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from flows.applying import AT_ONCE, Applied, Pace, apply_due
from uptainer.core.errors import UnreachableError
from uptainer.fleet.maintenance import Due, ServerPlan
from uptainer.policy.schedule import ONE_BY_ONE, Bounds

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]

BRISK = Pace(again=timedelta(milliseconds=1))
RESTLESS = Pace(again=timedelta(milliseconds=1), rest=timedelta(milliseconds=1))


def due(address: str, *needs: str, group: str = "") -> Due:
    host, _, workload = address.partition("/")
    return Due(hash(address), address, host, workload, frozenset(needs), group)


@dataclass
class Fleet:
    """What is approved, server by server; carries out what it is given, and remembers what went on at the same time.

    Those that `lasts` names end when it is set; those that fail stay approved, as after a registry that was down.
    """

    servers: dict[str, list[Due]]
    bounds: Bounds = ONE_BY_ONE
    failing: set[str] = field(default_factory=set)
    lasts: dict[str, asyncio.Event] = field(default_factory=dict)
    begun: list[str] = field(default_factory=list)
    starts: defaultdict[str, asyncio.Event] = field(default_factory=lambda: defaultdict(asyncio.Event))
    running: Counter[str] = field(default_factory=Counter)
    most: Counter[str] = field(default_factory=Counter)

    async def plan(self) -> Sequence[ServerPlan]:
        return [ServerPlan(name, tuple(self.servers[name]), (), self.bounds) for name in sorted(self.servers)]

    async def apply(self, update: Due) -> str:
        for waiting in self.servers.values():
            waiting[:] = [each for each in waiting if each != update]
        self.begun.append(update.title)
        self.starts[update.title].set()
        self.running.update({update.host: 1, "all": 1})
        self.most |= self.running
        if update.title in self.lasts:
            await self.lasts[update.title].wait()
        for _ in range(5):
            await asyncio.sleep(0)
        self.running.subtract({update.host: 1, "all": 1})
        return f"{update.title} failed" if update.title in self.failing else ""

    async def has_begun(self, title: str) -> None:
        await self.starts[title].wait()


def machine(*updates: Due, bounds: Bounds = ONE_BY_ONE, failing: Sequence[str] = ()) -> Fleet:
    return Fleet({"machine": list(updates)}, bounds, set(failing))


THREE_HOSTS = tuple(due(f"{host}/{name}") for name in "abc" for host in ("docker", "podman", "swarm"))


@pytest.mark.parametrize(("host", "server", "at_once"), [(1, 1, 1), (1, 2, 2), (2, 3, 3), (1, 9, 3)])
async def test_no_more_than_the_bounds_say_run_at_a_time(host: int, server: int, at_once: int) -> None:
    fleet = machine(*THREE_HOSTS, bounds=Bounds(host, server))
    assert await apply_due(fleet.plan, fleet.apply) == Applied(len(THREE_HOSTS), (), ())
    assert fleet.most["all"] == at_once
    assert max(fleet.most[each] for each in ("docker", "podman", "swarm")) <= host
    assert fleet.begun[0] == THREE_HOSTS[0].title


async def test_nothing_begins_before_what_it_needs_is_done_and_others_go_on_meanwhile() -> None:
    fleet = machine(due("a/db"), due("a/api", "db"), due("a/web", "api"), due("a/x"), bounds=Bounds(4, 4))
    await apply_due(fleet.plan, fleet.apply)
    assert fleet.begun == ["a/db", "a/x", "a/api", "a/web"]


async def test_what_needs_one_that_failed_is_left_and_said_and_the_same_name_elsewhere_is_not() -> None:
    fleet = machine(
        due("a/db"),
        due("b/db"),
        due("a/api", "db"),
        due("a/web", "api"),
        due("b/api", "db"),
        failing=["a/db"],
    )
    applied = await apply_due(fleet.plan, fleet.apply)
    assert (applied.succeeded, set(applied.not_done)) == (
        2,
        {
            "a/db failed",
            "a/api: it needs db, which was not updated",
            "a/web: it needs api, which was not updated",
        },
    )


async def test_those_of_a_group_go_one_after_another_on_all_servers_and_stop_at_the_first_that_fails() -> (
    None
):
    fleet = Fleet(
        {
            "one": [due("a/dns", group="dns"), due("a/x")],
            "two": [due("b/dns", group="dns"), due("b/dns-2", group="dns")],
        },
        Bounds(4, 4),
        {"b/dns"},
    )
    applied = await apply_due(fleet.plan, fleet.apply)
    assert fleet.most["all"] == 2  # one of the group, and the one that is in none
    assert applied.succeeded == 2
    assert applied.not_done == ("b/dns failed", "b/dns-2: b/dns of its group dns was not updated")


async def test_a_run_that_breaks_ends_no_other() -> None:
    fleet = machine(due("a/db"), due("a/x"), due("b/y"))

    async def apply(update: Due) -> str:
        why = await fleet.apply(update)
        if update.workload == "db":
            raise ConnectionResetError("gone")
        return why

    assert await apply_due(fleet.plan, apply) == Applied(2, ("a/db: gone",), ())
    assert fleet.begun == ["a/db", "a/x", "b/y"]


async def test_what_a_window_opens_for_begins_while_another_server_is_still_at_its_update() -> None:
    long = asyncio.Event()
    fleet = Fleet({"a": [due("a/db")]}, lasts={"a/db": long})
    run = asyncio.create_task(apply_due(fleet.plan, fleet.apply, BRISK))
    await fleet.has_begun("a/db")
    fleet.servers["b"] = [due("b/web")]
    await fleet.has_begun("b/web")
    assert fleet.running["a"] == 1
    long.set()
    assert await run == Applied(2, (), ())


async def test_what_becomes_due_meanwhile_keeps_to_order_bounds_and_groups() -> None:
    long = asyncio.Event()
    fleet = Fleet({"a": [due("a/db", group="g"), due("a/last")]}, lasts={"a/db": long})
    run = asyncio.create_task(apply_due(fleet.plan, fleet.apply, BRISK))
    await fleet.has_begun("a/db")
    fleet.servers["a"].insert(0, due("a/api", "db"))
    fleet.servers["b"] = [due("b/db", group="g"), due("b/x")]
    await fleet.has_begun("b/x")
    assert fleet.begun == ["a/db", "b/x"]
    long.set()
    await run
    assert [each for each in fleet.begun if each.startswith("a/")] == ["a/db", "a/api", "a/last"]
    assert "b/db" in fleet.begun
    assert max(fleet.most["a"], fleet.most["b"]) == 1


async def test_a_ninth_server_begins_beside_eight_that_are_at_it_for_long() -> None:
    names = [f"server-{number}" for number in range(9)]
    lasts = {f"{name}/web": asyncio.Event() for name in names[:8]}
    fleet = Fleet({name: [due(f"{name}/web")] for name in names}, lasts=lasts)
    run = asyncio.create_task(apply_due(fleet.plan, fleet.apply))
    await fleet.has_begun("server-8/web")
    for each in lasts.values():
        each.set()
    assert (await run).succeeded == 9


async def test_of_more_servers_than_may_be_updated_at_once_each_has_its_turn_before_one_has_its_second() -> (
    None
):
    names = [f"server-{number:02}" for number in range(AT_ONCE + 3)]
    fleet = Fleet({name: [due(f"{name}/a"), due(f"{name}/b")] for name in names})
    await apply_due(fleet.plan, fleet.apply)
    assert fleet.most["all"] == AT_ONCE
    assert fleet.begun[: len(names)] == [f"{name}/a" for name in names]


@pytest.mark.parametrize(("pace", "tries"), [(BRISK, 1), (RESTLESS, 2)])
async def test_what_was_not_applied_is_tried_again_in_a_long_run_when_it_has_rested(
    pace: Pace, tries: int
) -> None:
    long, failed = asyncio.Event(), due("b/web", group="g")
    fleet = Fleet({"a": [due("a/db")], "b": [failed, due("b/dns", group="g")]}, lasts={"a/db": long})
    rounds = 0

    async def plan() -> Sequence[ServerPlan]:
        nonlocal rounds
        rounds += 1
        if rounds == 20:
            long.set()
        return await fleet.plan()

    async def apply(update: Due) -> str:
        if update == failed and update.title not in fleet.begun:
            fleet.begun.append(update.title)
            return "b/web: it waits"
        return await fleet.apply(update)

    applied = await apply_due(plan, apply, pace)
    assert fleet.begun.count("b/web") == tries
    assert applied.succeeded == (1 if tries == 1 else 3)


async def test_what_cannot_be_planned_meanwhile_ends_nothing_and_is_planned_again() -> None:
    long = asyncio.Event()
    fleet = Fleet({"a": [due("a/db")]}, lasts={"a/db": long})
    is_down = False

    async def plan() -> Sequence[ServerPlan]:
        nonlocal is_down
        if is_down:
            is_down = False
            raise UnreachableError("the database did not answer")
        return await fleet.plan()

    run = asyncio.create_task(apply_due(plan, fleet.apply, BRISK))
    await fleet.has_begun("a/db")
    is_down = True
    fleet.servers["b"] = [due("b/web")]
    await fleet.has_begun("b/web")
    assert not is_down
    long.set()
    assert (await run).succeeded == 2


async def test_what_cannot_be_planned_at_all_is_no_end_of_the_work() -> None:
    async def plan() -> Sequence[ServerPlan]:
        raise UnreachableError("the database did not answer")

    with pytest.raises(UnreachableError):
        await apply_due(plan, Fleet({}).apply)


async def test_what_is_left_is_said_as_it_is_in_the_end_and_once() -> None:
    fleet = machine(due("a/db"), due("a/web"), failing=["a/db"])
    left = [("a/db", "failed"), ("a/x", "its window opens tomorrow")]

    async def plan() -> Sequence[ServerPlan]:
        return [replace(each, left=tuple(left)) for each in await fleet.plan()]

    async def apply(update: Due) -> str:
        return "a/db: failed. It opens tomorrow" if await fleet.apply(update) else ""

    applied = await apply_due(plan, apply)
    assert applied == Applied(1, ("a/db: failed. It opens tomorrow",), ("a/x: its window opens tomorrow",))
