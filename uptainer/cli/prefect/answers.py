"""After an answer was written down: the run that waits for it goes on, or one is started."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import anyio
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun, State
from prefect.client.schemas.responses import SetStateStatus
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled

from flows.form import GateForm
from uptainer.cli.prefect import runs
from uptainer.cli.prefect.requests import ask
from uptainer.core.enums import ApprovalDecision
from uptainer.core.errors import RefusedError, UnreachableError

SETTLING_SECONDS = 30.0
"""A run that is just opening its gate is given this long to suspend itself, and to keep its form."""
_FORMLESS = "schema not found"
"""Prefect suspends a run some moments before it keeps the form by which that can be resumed."""


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer that was written down. `go` says that the update is approved now."""

    update_id: int
    decision: ApprovalDecision
    by: str
    reason: str
    snooze_until: datetime | None
    flow_run_id: UUID | None
    go: bool


def go_on(answered: Answered) -> str:
    """Resume the run that waits for this answer, or start one for an approval; says what was done.

    Raises:
        RefusedError: the server did not take the resumption; the answer stands all the same.
    """
    return ask(lambda client: _go_on(client, answered))


def go_on_together(answers: Sequence[Answered], batch: str) -> str:
    """Let one maintenance run apply several approvals in the order of their dependencies.

    The runs that wait for these answers are cancelled, for each alone would begin at once, in no order. So is the one
    that is asked for where one is at work already: that sees them within a minute.
    """
    return ask(lambda client: _go_on_together(client, answers, batch))


async def _go_on(client: PrefectClient, answered: Answered) -> str:
    run = await _settled(client, answered.flow_run_id)
    if run is not None and run.state is not None and run.state.is_paused():
        await _resume(client, run, answered)
        return f"the run {run.name} goes on"
    if run is not None and run.state is not None and not run.state.is_final():
        return f"the run {run.name} is at it"
    if not answered.go:
        return "no run waited for it"
    started = await runs.request(client, "update", {"update_id": answered.update_id})
    return f"the run {started.name} was started"


async def _go_on_together(client: PrefectClient, answers: Sequence[Answered], batch: str) -> str:
    cancelled: State[None] = Cancelled(name="Answered", message=f"approved as part of {batch}")
    for each in answers:
        run = await _settled(client, each.flow_run_id)
        if run is not None and run.state is not None and run.state.is_paused():
            await client.set_flow_run_state(run.id, cancelled, force=True)
    started = await runs.request(client, "maintain")
    return (
        f"the run {started.name}, or the one of maintain that is at work already, applies them in the order of their "
        "dependencies, as windows and policies allow"
    )


async def _settled(client: PrefectClient, flow_run_id: UUID | None) -> FlowRun | None:
    """The run when it has suspended itself or ended; as it is, where it is busy for longer; None where it is gone."""
    if flow_run_id is None:
        return None
    try:
        return await runs.watch(client, flow_run_id, seconds=SETTLING_SECONDS)
    except UnreachableError:
        return await client.read_flow_run(flow_run_id)
    except ObjectNotFound:
        return None


async def _resume(client: PrefectClient, run: FlowRun, answered: Answered) -> None:
    """The run reads the answer from the database; the form is filled in because the server insists on it."""
    form = GateForm(
        decision=answered.decision.value,
        approved_by=f"account {answered.by}",
        reason=answered.reason,
        snooze_until=answered.snooze_until.isoformat() if answered.snooze_until else "",
    )
    deadline = time.monotonic() + SETTLING_SECONDS
    while why := await _refusal(client, run, form):
        if _FORMLESS not in why or time.monotonic() > deadline:
            raise RefusedError(
                f"the answer is written down, and the run {run.name} could not be resumed: {why}"
            )
        await anyio.sleep(runs.POLL_SECONDS)


async def _refusal(client: PrefectClient, run: FlowRun, form: GateForm) -> str:
    """Why it could not be resumed; "" when it was."""
    result = await client.resume_flow_run(run.id, run_input=form.model_dump(mode="json"))
    if result.status is SetStateStatus.ACCEPT:
        return ""
    return str(getattr(result.details, "reason", None) or result.status.value)
