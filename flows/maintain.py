"""Maintenance: what is approved and whose window is open is applied, in dependency order, most urgent first."""

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows.applying import Groups, apply_due
from flows.naming import about
from flows.refusals import plainly
from flows.reporting import publish
from flows.sweeping import sweep
from flows.update import update
from tasks.maintenance import plan_maintenance
from tasks.signatures import verify_updates
from uptainer.fleet.maintenance import Due


@flow(
    name="maintain",
    description="Applies the approved updates whose maintenance window is open, and starts nothing that can't finish.",
    flow_run_name=lambda: about("maintain", "window"),
)
@plainly
async def maintain(window: str | None = None) -> State[Any]:  # noqa: ARG001 -- each window's schedule names itself by it
    """Servers side by side, and on each as many updates at a time as the settings say. What does not fit is carried over.

    Args:
        window: The window that opened, for the run's name; what is due is the same with any.
    """
    await verify_updates(None)
    plans = await plan_maintenance()
    groups = Groups()
    swept = await sweep(plans, lambda plan: apply_due(plan, _apply, groups))
    await publish("fleet", "waiting", "night")
    applied = sum(each.succeeded for each in swept.results)
    left = [f"{title}: {reason}" for plan in plans for title, reason in plan.left]
    not_done = [said for each in swept.results for said in each.not_done]
    failed = [f"{plan.server}: {error}" for plan, error in swept.failures]
    return Completed(message="; ".join([f"{applied} updates applied", *not_done, *left, *failed]))


async def _apply(due: Due) -> str:
    """Why it did not succeed, or ""."""
    state = await update(due.update_id, return_state=True)
    if state.is_completed() and state.name == "Succeeded":
        return ""
    return state.message or f"{due.title}: {state.name}"
