"""Maintenance and recovery, across the fleet."""

import asyncio
from collections.abc import Mapping, Sequence

from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound

from tasks.resources import database, engines, settings, stores
from tasks.retries import retryable
from tasks.schedules import Changes, keep_in_step
from uptainer.core.clock import utc_now
from uptainer.fleet import abandoned, maintenance
from uptainer.fleet.abandoned import Settled
from uptainer.fleet.maintenance import ServerPlan
from uptainer.fleet.previews import windows_in_effect
from uptainer.policy.schedule import Bounds
from uptainer.policy.windows import Window
from uptainer.updates import recovery
from uptainer.updates.recovery import RecoveryReport


@retryable(
    name="plan maintenance",
    run_name="plan what is due",
    description="Asks policy and window again for each approved update, and orders what may begin.",
)
def plan_maintenance() -> Sequence[ServerPlan]:
    bounds = Bounds(settings().max_updates_per_host, settings().max_updates_per_server)
    return maintenance.plan_maintenance(database(), utc_now(), bounds)


@retryable(
    name="keep schedules",
    run_name="keep the schedules of maintain in step",
    description="Makes the schedules of `maintain` those of the windows that the fleet's policies and labels come to.",
    retries=0,
)
def keep_schedules() -> Changes:
    with database().session() as session:
        windows = windows_in_effect(session)
    return asyncio.run(_follow(windows))


async def _follow(windows: Mapping[str, Window]) -> Changes:
    """Without a deployment of `maintain`, there is nothing to keep in step."""
    async with get_client() as client:
        try:
            return await keep_in_step(client, windows)
        except ObjectNotFound:
            return Changes()


@retryable(
    name="settle backups",
    run_name="put right what cut-off backups left",
    description="Starts what a dead backup stopped, and does a dead restore again.",
)
def settle_abandoned() -> Sequence[Settled]:
    return abandoned.settle_abandoned(database(), engines(), stores())


@retryable(
    name="recover",
    run_name="take up what was left behind",
    description="Finishes or undoes each update whose process is dead, and closes approvals that have expired.",
)
def recover_updates(insist: int | None) -> RecoveryReport:
    return recovery.recover(database(), engines(), stores(), insist=insist)
