import asyncio

import anyio
import pytest
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName
from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed

from tests.lab.prefect import PrefectServer
from uptainer.cli.prefect.first_look import run_to_its_end

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(600)]
FLOW = "met-by-its-schedule"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_a_step_that_met_its_scheduled_like_is_asked_for_again(prefect_server: PrefectServer) -> None:
    async with get_client() as client:
        flow = await client.create_flow_from_name(FLOW)
        deployment = await client.create_deployment(flow_id=flow, name=FLOW)
        try:
            asked = asyncio.create_task(run_to_its_end(client, FLOW))
            await _end(client, Cancelled(message="Deployment concurrency limit reached."), runs=1)
            await _end(client, Completed(), runs=2)
            ended = await asked
        finally:
            await client.delete_deployment(deployment)
    assert ended.state
    assert ended.state.is_completed()


async def _end(client: PrefectClient, state: State[None], *, runs: int) -> None:
    named = DeploymentFilter(name=DeploymentFilterName(any_=[FLOW]))
    while len(found := await client.read_flow_runs(deployment_filter=named)) < runs:  # noqa: ASYNC110 -- a server gives no event
        await anyio.sleep(0.1)
    for each in found:
        if each.state and not each.state.is_final():
            await client.set_flow_run_state(each.id, state, force=True)
