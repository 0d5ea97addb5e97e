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
from uptainer.cli.prefect.receiving import announce
from uptainer.cli.prefect.registration import load_deployments, register_deployments
from uptainer.core.clock import utc_now
from uptainer.core.pushes import Push
from uptainer.core.reference import Reference

pytestmark = pytest.mark.anyio


@pytest.fixture
async def client(prefect_server: PrefectServer) -> AsyncIterator[PrefectClient]:
    """Of a server that has the deployment of the pushed checks, and nobody who would run it."""
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


async def test_an_automation_that_a_person_has_switched_off_stays_so(client: PrefectClient) -> None:
    await automations.keep_in_step(client)
    (made,) = await client.read_automations_by_name(automations.NAME)
    await client.pause_automation(made.id)
    assert not await automations.keep_in_step(client)
    (after,) = await client.read_automations_by_name(automations.NAME)
    assert not after.enabled


async def test_a_burst_of_pushes_is_one_check_a_repository_that_begins_after_it(
    client: PrefectClient,
) -> None:
    await automations.keep_in_step(client)
    deployment = await client.read_deployment_by_name(automations.CHECK)

    async def runs() -> list[FlowRun]:
        return [each for each in await client.read_flow_runs() if each.deployment_id == deployment.id]

    def push(name: str) -> Push:
        return Push("lab", Reference.parse(name))

    begun = utc_now()
    await announce([push(f"ghcr.io/acme/app:{number}") for number in range(20)] + [push("nginx:1.28")])
    loop = asyncio.get_running_loop()

    def both_are_there() -> bool:
        return len(asyncio.run_coroutine_threadsafe(runs(), loop).result(10)) >= 2

    await asyncio.to_thread(partial(wait_until, both_are_there, what="no check was started", timeout=60))
    found = await runs()
    assert sorted(str(each.parameters["reference"]) for each in found) == [
        "docker.io/library/nginx",
        "ghcr.io/acme/app",
    ]
    for each in found:
        assert each.expected_start_time
        assert each.expected_start_time >= begun + automations.TOGETHER
