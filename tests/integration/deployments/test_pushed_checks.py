"""The automation that a registry's push is checked by, on a real Prefect server."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import pytest
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.events.schemas.automations import AutomationCore
from prefect.runner import Runner

from deployments import automations
from tests.lab.prefect import PrefectServer
from tests.lab.room import wait_until
from uptainer.cli.prefect import receiving
from uptainer.cli.prefect.receiving import announce
from uptainer.cli.prefect.registration import load_deployments, register_deployments
from uptainer.core.clock import utc_now
from uptainer.core.errors import RateLimitedError
from uptainer.core.pushes import Push
from uptainer.core.reference import Reference

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(600)]


@pytest.fixture
async def client(
    prefect_server: PrefectServer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[PrefectClient]:
    """Of a server that has the deployment of the pushed checks, and nobody who would run it."""
    monkeypatch.setattr(receiving, "CALL_SECONDS", 120.0)
    (pushed,) = [each for each in load_deployments() if each.name == "check-pushed"]
    async with get_client() as opened:
        (made,) = await register_deployments(Runner(name="test", pause_on_shutdown=False), [pushed])
        yield opened
        for each in await opened.read_automations_by_name(automations.NAME):
            await opened.delete_automation(each.id)
        await opened.delete_deployment(made)


async def test_the_automation_is_there_once_however_often_it_is_registered(client: PrefectClient) -> None:
    assert await automations.keep_in_step(client)
    (first,) = await client.read_automations_by_name(automations.NAME)
    assert not await automations.keep_in_step(client)
    await client.create_automation(
        AutomationCore.model_validate(first.model_dump(exclude={"id", "owner_resource"}))
    )
    changed = first.model_copy(update={"description": "somebody else's"})
    await client.update_automation(
        first.id, AutomationCore.model_validate(changed.model_dump(exclude={"id", "owner_resource"}))
    )
    assert await automations.keep_in_step(client)
    assert not await automations.keep_in_step(client)
    (after,) = await client.read_automations_by_name(automations.NAME)
    assert after.description == first.description


async def test_receivers_that_start_together_leave_one_automation(client: PrefectClient) -> None:
    await asyncio.gather(*(automations.keep_in_step(client) for _ in range(4)))
    assert len(await client.read_automations_by_name(automations.NAME)) == 1


async def test_an_automation_that_a_person_has_switched_off_stays_so(client: PrefectClient) -> None:
    await automations.keep_in_step(client)
    (made,) = await client.read_automations_by_name(automations.NAME)
    await client.pause_automation(made.id)
    assert not await automations.keep_in_step(client)
    (after,) = await client.read_automations_by_name(automations.NAME)
    assert not after.enabled


def push(name: str) -> Push:
    return Push("lab", Reference.parse(name))


async def checks(client: PrefectClient, least: int) -> list[FlowRun]:
    """Those that there are when there are so many."""
    deployment = await client.read_deployment_by_name(automations.CHECK)

    async def runs() -> list[FlowRun]:
        return [each for each in await client.read_flow_runs() if each.deployment_id == deployment.id]

    loop = asyncio.get_running_loop()

    def are_there() -> bool:
        return len(asyncio.run_coroutine_threadsafe(runs(), loop).result(60)) >= least

    await asyncio.to_thread(partial(wait_until, are_there, what="no check was started", timeout=180))
    return await runs()


def repositories(found: list[FlowRun]) -> list[str]:
    return sorted(str(each.parameters["reference"]) for each in found)


async def test_a_burst_of_pushes_is_one_check_a_repository_that_begins_after_it(
    client: PrefectClient,
) -> None:
    await automations.keep_in_step(client)
    begun = utc_now()
    await announce([push(f"ghcr.io/acme/app:{number}") for number in range(20)] + [push("nginx:1.28")])
    found = await checks(client, 2)
    assert repositories(found) == ["docker.io/library/nginx", "ghcr.io/acme/app"]
    for each in found:
        assert each.expected_start_time
        assert each.expected_start_time >= begun + automations.TOGETHER


async def test_a_push_of_what_waits_to_be_checked_starts_no_second_check(client: PrefectClient) -> None:
    """However often a source tells of it, and however long the first one has to wait."""
    await automations.keep_in_step(client)
    deployment = await client.read_deployment_by_name(automations.CHECK)
    await client.create_flow_run_from_deployment(deployment.id, parameters={"reference": "ghcr.io/acme/app"})
    await announce([push("ghcr.io/acme/app:1"), push("nginx:1.28")])
    await checks(client, 2)
    await announce(
        [push("redis:8")]
    )  # once this one is started, whatever the first would have started is there
    found = repositories(await checks(client, 3))
    assert found == ["docker.io/library/nginx", "docker.io/library/redis", "ghcr.io/acme/app"]


async def test_no_more_checks_wait_than_so_many(
    client: PrefectClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment = await client.read_deployment_by_name(automations.CHECK)
    await client.create_flow_run_from_deployment(deployment.id, parameters={"reference": "ghcr.io/acme/app"})
    monkeypatch.setattr(receiving, "MOST_WAITING", 1)
    await announce([push("ghcr.io/acme/app:1")])
    with pytest.raises(RateLimitedError, match="1 checks of what was pushed wait already"):
        await announce([push("nginx:1.28")])
