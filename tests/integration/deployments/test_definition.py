import asyncio
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import ConcurrencyLimitStrategy
from prefect.client.schemas.responses import DeploymentResponse
from prefect.runner import Runner

from deployments import definition
from tests.lab.prefect import PrefectServer
from uptainer.cli.prefect.registration import load_deployments, register_deployments

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(600)]
PREFECT = Path(sysconfig.get_path("scripts")) / "prefect"
POOL = "uptainer-test"
SWEEPS = {"discover", "check", "scan", "maintain", "health", "notify", "recover", "prune"}


async def ours(client: PrefectClient) -> dict[str, DeploymentResponse]:
    names = {each.name for each in definition.read()}
    return {each.name: each for each in await client.read_deployments() if each.name in names}


async def forget(client: PrefectClient) -> None:
    for each in (await ours(client)).values():
        await client.delete_deployment(each.id)


async def said(client: PrefectClient, deployment: DeploymentResponse) -> dict[str, Any]:
    """All that a deployment says, but for where and by whom its runs are started."""
    flow = await client.read_flow(deployment.flow_id)
    limit = deployment.global_concurrency_limit
    return {
        "flow": flow.name,
        "schedules": sorted(
            (each.slug, each.schedule.model_dump(exclude={"anchor_date"}), each.active, each.parameters)
            for each in deployment.schedules
        ),
        "limit": limit.limit if limit else None,
        "strategy": deployment.concurrency_options,
        **deployment.model_dump(
            include={
                "description",
                "entrypoint",
                "enforce_parameter_schema",
                "parameter_openapi_schema",
                "parameters",
                "paused",
                "tags",
            }
        ),
    }


async def deployed_by_prefect(client: PrefectClient, server: PrefectServer) -> dict[str, dict[str, Any]]:
    if not any(pool.name == POOL for pool in await client.read_work_pools()):
        await client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
    done = await asyncio.to_thread(
        subprocess.run,
        [str(PREFECT), "--no-prompt", "deploy", "--all"],
        cwd=definition.path().parent,
        env={**server.env, "UPTAINER_WORK_POOL": POOL},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return {name: await said(client, each) for name, each in (await ours(client)).items()}


async def served_by_uptainer(client: PrefectClient) -> dict[str, dict[str, Any]]:
    await register_deployments(Runner(name="test", pause_on_shutdown=False), load_deployments())
    return {name: await said(client, each) for name, each in (await ours(client)).items()}


async def test_both_ways_make_the_same_deployments(prefect_server: PrefectServer) -> None:
    async with get_client() as client:
        by_prefect = await deployed_by_prefect(client, prefect_server)
        await forget(client)
        by_uptainer = await served_by_uptainer(client)
        await forget(client)
    assert set(by_prefect) == {each.name for each in definition.read()}
    assert by_uptainer == by_prefect


async def test_serving_again_keeps_ids_windows_and_what_was_paused_by_hand(
    prefect_server: PrefectServer,
) -> None:
    async with get_client() as client:
        await served_by_uptainer(client)
        first = await ours(client)
        maintain, sweep = first["maintain"], first["check"].schedules[0]
        window = definition.Schedule(slug="window-nights", cron="0 2 * * *").created()
        await client.create_deployment_schedules(maintain.id, [window])
        await client.update_deployment_schedule(first["check"].id, sweep.id, active=False)
        await served_by_uptainer(client)
        again = await ours(client)
        await forget(client)
    assert {name: each.id for name, each in again.items()} == {name: each.id for name, each in first.items()}
    assert {each.slug for each in again["maintain"].schedules} == {"every-15-minutes", "window-nights"}
    assert [each.active for each in again["check"].schedules] == [False]


def test_each_deployment_is_named_as_its_flow_and_says_what_it_does() -> None:
    for each in definition.read():
        assert each.served().flow_name == each.name
        assert len(each.description) > 40
        assert "uptainer" in each.tags


def test_a_sweep_never_piles_up_behind_itself() -> None:
    limits = {each.name: each.concurrency_limit for each in definition.read()}
    for name in SWEEPS:
        limit = limits[name]
        assert limit
        assert (limit.limit, limit.collision_strategy) == (1, ConcurrencyLimitStrategy.CANCEL_NEW)


def test_updates_run_side_by_side() -> None:
    assert next(each for each in definition.read() if each.name == "update").concurrency_limit is None
