"""Maintenance: what is approved and whose window is open is applied, in dependency order, most urgent first."""

from collections.abc import Sequence
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows.applying import apply_due
from flows.naming import about
from flows.refusals import plainly
from flows.reporting import publish
from flows.update import update
from tasks.maintenance import plan_maintenance
from tasks.signatures import verify_updates
from uptainer.fleet.maintenance import Due, ServerPlan


@flow(
    name="maintain",
    description="Applies the approved updates whose maintenance window is open, and starts nothing that can't finish.",
    flow_run_name=lambda: about("maintain", "window"),
)
@plainly
async def maintain(window: str | None = None) -> State[Any]:  # noqa: ARG001 -- each window's schedule names itself by it
    """Servers side by side, and on each as many updates at a time as the settings say. What does not fit is carried over.

    What becomes due while updates run begins too, within a minute: one that takes long makes no window pass unused.

    Args:
        window: The window that opened, for the run's name; what is due is the same with any.
    """
    applied = await apply_due(_plan, _apply)
    await publish("fleet", "waiting", "night")
    return Completed(
        message="; ".join([f"{applied.succeeded} updates applied", *applied.not_done, *applied.left])
    )


async def _plan() -> Sequence[ServerPlan]:
    await verify_updates(None)
    return await plan_maintenance()


async def _apply(due: Due) -> str:
    """Why it did not succeed, or ""."""
    state = await update(due.update_id, return_state=True)
    if state.is_completed() and state.name == "Succeeded":
        return ""
    return state.message or f"{due.title}: {state.name}"
