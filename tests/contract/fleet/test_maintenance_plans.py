"""What maintenance begins on servers, of which several hosts may share one, and what it says of the rest."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from tests.contract.fleet.seeded import ANN, OPEN_UNTIL_ONE, Seeded, flaw
from tests.contract.fleet.test_gates_and_readiness import approved
from tests.lab.facts import NOW, address, container, engine
from uptainer.core.enums import UpdateStatus
from uptainer.fleet.maintenance import ServerPlan, plan_maintenance
from uptainer.fleet.previews import windows_in_effect
from uptainer.fleet.readiness import readiness
from uptainer.fleet.simulation import Foreseen, simulate
from uptainer.policy.schedule import Bounds
from uptainer.store.repositories.containers import ContainerRepository
from uptainer.store.repositories.hosts import HostRepository
from uptainer.store.repositories.journal import JournalRepository
from uptainer.store.repositories.policies import PolicyRepository
from uptainer.updates.steps import Stage

NEARLY_OVER = NOW + timedelta(minutes=52)
"""Eight minutes before the window closes: one update of the usual five can be done, and no second one behind it."""


def settle(fleet: Seeded, *hosts: tuple[str, str, Sequence[str]]) -> None:
    """Hosts, each on a server, with containers that are to be updated without asking, until one o'clock."""
    fleet.policy(mode="auto", unscanned="allow", windows=[OPEN_UNTIL_ONE], group="home")
    fleet.run("alone")
    for number, (host, server, keys) in enumerate(hosts):
        with fleet.database.session() as session:
            found = HostRepository(session).add(address(host, url=f"unix:///run/{host}.sock"), server)
            HostRepository(session).mark_seen(found.id, engine(f"engine-of-{number}"), NOW)
            ContainerRepository(session).record(found.id, [container(key) for key in keys], NOW)
        fleet.find_all(keys, "1.28")
    fleet.decide()


def plans(fleet: Seeded, bounds: Bounds) -> dict[str, ServerPlan]:
    return {plan.server: plan for plan in plan_maintenance(fleet.database, NEARLY_OVER, bounds)}


def foreseen(fleet: Seeded, bounds: Bounds) -> list[Foreseen]:
    lines = simulate(fleet.database, NEARLY_OVER, NEARLY_OVER + timedelta(hours=1), bounds=bounds)
    return [line for line in lines if line.outcome == "apply"]


def succeed(
    fleet: Seeded,
    update: int | str,
    *,
    took: timedelta,
    at: datetime = NOW,
    idle: timedelta = timedelta(0),
) -> None:
    """An approved update, or one to this tag, is carried out in two steps with nothing done between them."""
    made = approved(fleet, tag=update) if isinstance(update, str) else update
    fleet.move(made, UpdateStatus.APPLYING, at=at)
    with fleet.database.session() as session:
        journal = JournalRepository(session)
        for position, begins in enumerate((at, at + took / 2 + idle)):
            name = f"step-{position}"
            journal.begin(made, position, name, phase=Stage.SWITCH, sentence=name, now=begins)
            journal.done(made, name, {}, begins + took / 2)
    fleet.move(made, UpdateStatus.VALIDATING, UpdateStatus.SUCCEEDED, at=at + took + idle)


SHARED = (("docker", "nas", ["a", "b"]), ("podman", "nas", ["c"]), ("elsewhere", "cloud", ["d"]))


def test_hosts_on_one_server_share_its_bound_and_what_has_no_time_is_left(fleet: Seeded) -> None:
    settle(fleet, *SHARED)
    one = plans(fleet, Bounds(1, 1))
    assert {name: [(due.host, due.workload) for due in plan.due] for name, plan in one.items()} == {
        "nas": [("docker", "a")],
        "cloud": [("elsewhere", "d")],
    }
    assert {reason for _, reason in one["nas"].left} == {
        "it would not be done when the window closes at 2026-03-14 13:00 UTC"
    }
    assert {due.group for plan in one.values() for due in plan.due} == {"home"}
    assert [due.workload for due in plans(fleet, Bounds(1, 2))["nas"].due] == ["a", "c"]
    assert [due.workload for due in plans(fleet, Bounds(2, 3))["nas"].due] == ["a", "b", "c"]


def test_a_simulation_foresees_what_maintenance_begins(fleet: Seeded) -> None:
    settle(fleet, *SHARED)
    for bounds in (Bounds(1, 1), Bounds(1, 2), Bounds(2, 3)):
        begun = {f"{due.host}/{due.workload}" for plan in plans(fleet, bounds).values() for due in plan.due}
        assert {line.workload for line in foreseen(fleet, bounds)} == begun


@pytest.mark.parametrize(("took", "begun"), [((2, 3, 40), True), ((30, 20, 1), False)])
def test_what_its_earlier_updates_took_says_whether_it_can_be_done_in_time(
    fleet: Seeded, took: Sequence[int], begun: bool
) -> None:
    """Eight minutes are left, and the median counts."""
    for number, minutes in enumerate(took):
        succeed(fleet, f"1.28.{number}", took=timedelta(minutes=minutes))
    made = approved(fleet, tag="1.29")
    fleet.policy(windows=[OPEN_UNTIL_ONE])
    (plan,) = plan_maintenance(fleet.database, NEARLY_OVER)
    assert [due.update_id for due in plan.due] == ([made] if begun else [])
    assert fleet.update(made).status is (UpdateStatus.APPROVED if begun else UpdateStatus.WAITING_FOR_WINDOW)


def test_the_time_in_which_nothing_was_done_is_no_part_of_what_an_update_took(fleet: Seeded) -> None:
    """Its first try was undone, and its machine was off in the middle of the second one."""
    made = approved(fleet)
    fleet.move(made, UpdateStatus.APPLYING, at=NOW)
    fleet.move(made, UpdateStatus.ROLLING_BACK, UpdateStatus.APPROVED, at=NOW + timedelta(minutes=1))
    succeed(fleet, made, took=timedelta(minutes=2), at=NOW + timedelta(days=7), idle=timedelta(hours=10))
    following = approved(fleet, tag="1.29")
    fleet.policy(windows=[OPEN_UNTIL_ONE])
    (plan,) = plan_maintenance(fleet.database, NEARLY_OVER)
    assert [due.update_id for due in plan.due] == [following]


def test_what_takes_longer_than_its_windows_last_says_so_by_day_and_by_night(fleet: Seeded) -> None:
    succeed(fleet, "1.28.0", took=timedelta(hours=3))
    made = approved(fleet, tag="1.29")
    told = "none of its windows is open for the 3h that it is expected to take"
    for window, at, said in (
        (OPEN_UNTIL_ONE, NEARLY_OVER, True),
        (OPEN_UNTIL_ONE, NOW + timedelta(hours=6), True),
        ("daily 11:00-14:00 UTC", NEARLY_OVER, False),
    ):
        fleet.policy(windows=[window])
        answer = readiness(fleet.database, made, at)
        assert not answer.go
        assert (told in answer.reason) is said, answer.reason


def test_what_does_not_fit_is_foreseen_for_the_next_opening(fleet: Seeded) -> None:
    settle(fleet, *SHARED)
    lines = simulate(fleet.database, NEARLY_OVER, NEARLY_OVER + timedelta(days=2))
    assert {line.workload: line.at for line in lines if line.outcome == "apply"} == {
        "docker/a": NEARLY_OVER,
        "elsewhere/d": NEARLY_OVER,
        "docker/b": (tomorrow := NEARLY_OVER.replace(hour=11, minute=0) + timedelta(days=1)),
        "podman/c": tomorrow + timedelta(minutes=5),
    }


def test_what_a_person_approved_is_foreseen_also_when_it_is_not_the_newest_any_more(fleet: Seeded) -> None:
    fleet.policy(unscanned="allow")
    approved(fleet)
    fleet.find("web", "1.29")
    (line,) = [
        each
        for each in simulate(fleet.database, NOW, NOW + timedelta(days=1))
        if each.workload == "alpha/web"
    ]
    assert (line.outcome, line.candidate) == ("apply", "nginx:1.28")


def test_what_got_worse_since_it_was_approved_is_foreseen_to_be_asked_again(fleet: Seeded) -> None:
    fleet.run("web")
    fleet.find("web", "1.28")
    fleet.scan("running")
    fleet.scan("1.28")
    approved(fleet)
    fleet.scan("1.28", flaw("CVE-9"), at=NOW)
    (line,) = (
        each
        for each in simulate(fleet.database, NOW, NOW + timedelta(days=1))
        if each.workload == "alpha/web"
    )
    assert line.outcome == "ask"
    assert "its scan now also finds" in line.why
    assert "CVE-9" in line.why


def waking(fleet: Seeded) -> dict[str, str]:
    with fleet.database.session() as session:
        return {name: window.recurrence for name, window in windows_in_effect(session).items()}


def test_windows_that_are_stored_or_stand_in_a_policy_or_a_label_are_all_woken_for_and_each_once(
    fleet: Seeded,
) -> None:
    with fleet.database.session() as session:
        stored = PolicyRepository(session)
        stored.put_window("nights", {"text": "daily 02:00-04:00 UTC"}, freeze=False, actor=ANN)
        stored.put_window("holidays", {"text": "daily 05:00-06:00 UTC"}, freeze=True, actor=ANN)
    fleet.run("web", labels={"uptainer.windows": "Sat 01:00-02:00 UTC | daily 02:00-05:00 UTC"})
    fleet.run("db", labels={"uptainer.windows": "Sat 01:00-02:30 UTC"})
    fleet.run("cron")
    fleet.policy(windows=["nights", "last Sun 03:00-06:00 UTC"])
    assert waking(fleet) == {
        "nights": "FREQ=DAILY;BYHOUR=2;BYMINUTE=0",
        "FREQ=MONTHLY;BYDAY=-1SU;BYHOUR=3;BYMINUTE=0 for 3h UTC": "FREQ=MONTHLY;BYDAY=-1SU;BYHOUR=3;BYMINUTE=0",
        "FREQ=WEEKLY;BYDAY=SA;BYHOUR=1;BYMINUTE=0 for 1h30m UTC": "FREQ=WEEKLY;BYDAY=SA;BYHOUR=1;BYMINUTE=0",
    }
    fleet.remove("web")
    fleet.remove("db")
    fleet.policy(windows=["nights"])
    assert list(waking(fleet)) == ["nights"]
