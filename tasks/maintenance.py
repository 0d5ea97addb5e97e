"""Maintenance and recovery, across the fleet."""

from collections.abc import Sequence

from tasks.resources import database, engines, settings, stores
from tasks.retries import retryable
from tasks.schedules import Changes, follow_windows
from uptainer.core.clock import utc_now
from uptainer.fleet import abandoned, maintenance
from uptainer.fleet.abandoned import Settled
from uptainer.fleet.maintenance import ServerPlan
from uptainer.fleet.updating import recorder
from uptainer.policy.schedule import Bounds
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
    return follow_windows(database())


@retryable(
    name="settle backups",
    run_name="put right what cut-off backups left",
    description="Starts what a dead backup stopped, does a dead restore again, and removes a copy that is not whole.",
)
def settle_abandoned() -> Sequence[Settled]:
    return abandoned.settle_abandoned(database(), engines(), stores())


@retryable(
    name="recover",
    run_name="take up what was left behind",
    description="Finishes or undoes each update whose process is dead, and closes approvals that have expired.",
)
def recover_updates(insist: int | None) -> RecoveryReport:
    return recovery.recover(database(), recorder(database(), engines()), stores(), insist=insist)
