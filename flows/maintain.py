"""Maintenance: what is approved and whose window is open is applied, in dependency order, most urgent first."""

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows.naming import about
from flows.refusals import plainly
from flows.reporting import publish
from flows.sweeping import sweep
from flows.update import update
from tasks.maintenance import plan_maintenance
from uptainer.fleet.maintenance import HostPlan


@flow(
    name="maintain",
    description="Applies the approved updates whose maintenance window is open, and starts nothing that can't finish.",
    flow_run_name=lambda: about("maintain", "window"),
)
@plainly
async def maintain(window: str | None = None) -> State[Any]:  # noqa: ARG001 -- each window's schedule names itself by it
    """Hosts side by side, one update at a time on each. What does not fit is carried over to the next opening.

    Args:
        window: The window that opened, for the run's name; what is due is the same with any.
    """
    plans = await plan_maintenance()
    swept = await sweep(plans, _apply_in_order)
    await publish("fleet", "waiting", "night")
    applied = sum(swept.results)
    left = [f"{title}: {reason}" for plan in plans for title, reason in plan.left]
    failed = [f"{plan.host}: {error}" for plan, error in swept.failures]
    return Completed(message="; ".join([f"{applied} updates applied", *left, *failed]))


async def _apply_in_order(plan: HostPlan) -> int:
    """One after the other; what needs a workload whose update did not succeed is left for the next time."""
    failed: set[str] = set()
    applied = 0
    for due in plan.due:
        if failed & due.depends_on:
            failed.add(due.workload)
            continue
        state = await update(due.update_id, return_state=True)
        if state.is_completed() and state.name == "Succeeded":
            applied += 1
        else:
            failed.add(due.workload)
    return applied
