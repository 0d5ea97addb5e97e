import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.objects import DeploymentSchedule
from prefect.client.schemas.schedules import IntervalSchedule

from tasks import schedules
from tests.lab.prefect import PrefectServer
from uptainer.core.errors import BusyError
from uptainer.policy.window_text import parse_window
from uptainer.policy.windows import Window, openings
from uptainer.store import schema
from uptainer.store.database import Database
from uptainer.store.repositories.audit import SYSTEM
from uptainer.store.repositories.policies import PolicyRepository

pytestmark = pytest.mark.anyio


@pytest.fixture
async def client(
    prefect_server: PrefectServer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[PrefectClient]:
    """A client, and a deployment that stands for `maintain` in this test alone."""
    name = f"maintain-{uuid4().hex}"
    monkeypatch.setattr(schedules, "MAINTAIN", f"{name}/{name}")
    async with get_client() as connected:
        flow = await connected.create_flow_from_name(name)
        sweep = DeploymentScheduleCreate(
            slug="every-15-minutes", schedule=IntervalSchedule(interval=timedelta(minutes=15))
        )
        await connected.create_deployment(flow, name, schedules=[sweep])
        yield connected


async def by_slug(client: PrefectClient) -> dict[str | None, DeploymentSchedule]:
    deployment = await client.read_deployment_by_name(schedules.MAINTAIN)
    return {each.slug: each for each in await client.read_deployment_schedules(deployment.id)}


def window(text: str) -> Window:
    return parse_window(text, Window)


FRIDAY = window("Fri 22:00-05:00 Europe/Berlin")
DAILY = window("daily 02:00-04:00 UTC")


async def test_a_window_is_given_a_schedule_and_others_stay(client: PrefectClient) -> None:
    changes = await schedules.keep_in_step(client, {"nights": DAILY})
    assert changes.created == ("window-nights",)
    assert set(await by_slug(client)) == {"every-15-minutes", "window-nights"}


async def test_the_same_windows_again_change_nothing(client: PrefectClient) -> None:
    await schedules.keep_in_step(client, {"nights": DAILY, "fridays": FRIDAY})
    before = {slug: each.id for slug, each in (await by_slug(client)).items()}
    assert await schedules.keep_in_step(client, {"nights": DAILY, "fridays": FRIDAY}) == schedules.Changes(
        (), (), ()
    )
    assert {slug: each.id for slug, each in (await by_slug(client)).items()} == before


async def test_a_changed_window_changes_its_schedule_in_place(client: PrefectClient) -> None:
    await schedules.keep_in_step(client, {"nights": DAILY})
    before = (await by_slug(client))["window-nights"].id
    changes = await schedules.keep_in_step(client, {"nights": FRIDAY})
    after = (await by_slug(client))["window-nights"]
    assert (changes.updated, after.id, after.schedule) == (
        ("window-nights",),
        before,
        schedules.schedule(FRIDAY),
    )


async def test_a_schedule_that_was_paused_by_hand_stays_paused_and_keeps_its_parameters(
    client: PrefectClient,
) -> None:
    await schedules.keep_in_step(client, {"nights": DAILY})
    deployment = await client.read_deployment_by_name(schedules.MAINTAIN)
    there = (await by_slug(client))["window-nights"]
    await client.update_deployment_schedule(deployment.id, there.id, active=False, parameters={"host": "nas"})
    await schedules.keep_in_step(client, {"nights": FRIDAY})
    after = (await by_slug(client))["window-nights"]
    assert (after.active, after.parameters) == (False, {"host": "nas", "window": "nights"})


async def test_a_window_that_is_gone_takes_its_schedule_along(client: PrefectClient) -> None:
    await schedules.keep_in_step(client, {"nights": DAILY, "fridays": FRIDAY})
    changes = await schedules.keep_in_step(client, {"fridays": FRIDAY})
    assert changes.deleted == ("window-nights",)
    assert set(await by_slug(client)) == {"every-15-minutes", "window-fridays"}


def follow_in_turn(database: Database) -> schedules.Changes:
    while True:
        with suppress(BusyError):
            return schedules.follow_windows(database)


async def test_two_that_follow_at_once_take_turns(
    client: PrefectClient, prefect_server: PrefectServer, postgres_url: str
) -> None:
    schema.upgrade(postgres_url)
    database = Database(postgres_url)

    async def twice(*windows: tuple[str, str]) -> list[schedules.Changes]:
        with database.session() as session:
            stored = PolicyRepository(session)
            for name, text in windows:
                stored.put_window(name, {"text": text}, actor=SYSTEM, freeze=False)
        return await asyncio.gather(*(asyncio.to_thread(follow_in_turn, database) for _ in range(2)))

    with prefect_server.settings():
        made = await twice(*((f"w{number}", "daily 02:00-04:00 UTC") for number in range(3)))
        changed = await twice(*((f"w{number}", "daily 03:00-04:00 UTC") for number in range(3)))
        with database.session() as session:
            for number in range(3):
                PolicyRepository(session).remove_window(f"w{number}", actor=SYSTEM)
        removed = await twice()
    database.dispose()
    assert sorted(len(each.created) for each in made) == [0, 3]
    assert sorted(len(each.updated) for each in changed) == [0, 3]
    assert sorted(len(each.deleted) for each in removed) == [0, 3]
    assert set(await by_slug(client)) == {"every-15-minutes"}


async def test_names_that_look_alike_have_schedules_of_their_own(client: PrefectClient) -> None:
    changes = await schedules.keep_in_step(client, {"Night": DAILY, "night": DAILY, "night!": DAILY})
    assert len(set(changes.created)) == 3


@pytest.mark.parametrize(
    "text",
    [
        "Fri 22:00-05:00 Europe/Berlin",
        "daily 02:00-04:00 America/New_York",
        "last Sun 03:00-06:00 Asia/Tokyo",
        "day 15 00:00-24:00 UTC",
        "2027-12-20 00:00 to 2027-12-22 06:00 UTC",
        "DTSTART:20260105T220000 RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=MO for 3h Europe/Berlin",
        "FREQ=WEEKLY;BYDAY=MO;BYHOUR=22;UNTIL=20280101T000000 for 3h Europe/Berlin",
    ],
)
async def test_prefect_wakes_the_flow_when_the_window_opens(text: str) -> None:
    here = window(text)
    start, end = datetime(2027, 6, 1, tzinfo=UTC), datetime(2028, 3, 1, tzinfo=UTC)
    expected = [each.opens for each in openings([here], [], start, end) if each.opens >= start][:5]
    woken = schedules.schedule(here).to_rrule().xafter(start.astimezone(here.clock), count=5, inc=True)
    assert [each.astimezone(UTC) for each in woken] == expected


async def test_the_server_takes_every_form_of_window(client: PrefectClient) -> None:
    once = window("2027-12-20 00:00 to 2027-12-22 06:00 UTC")
    until = window("FREQ=WEEKLY;BYDAY=MO;BYHOUR=22;UNTIL=20280101T000000 for 3h Europe/Berlin")
    changes = await schedules.keep_in_step(client, {"once": once, "until": until, "nights": DAILY})
    assert len(changes.created) == 3
    deployment: UUID = (await client.read_deployment_by_name(schedules.MAINTAIN)).id
    assert len(await client.read_deployment_schedules(deployment)) == 4
