"""One update, from its gate to its end. The run reads the update's state and does what is next."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from prefect import flow, runtime
from prefect.artifacts import acreate_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.flow_runs import asuspend_flow_run
from prefect.states import Completed, Failed
from pydantic import Field

from flows.form import GateForm
from flows.logs import call_suspension_no_error
from flows.naming import about, name_run
from flows.progress import shown
from flows.refusals import plainly
from flows.telling import start_told, tell_people
from tasks.signatures import verify_updates
from tasks.updates import (
    apply_update,
    ask_readiness,
    bind_run,
    close_update,
    open_gate,
    plan_update,
    read_update,
    take_answer,
)
from tasks.updates import (
    override_window as override,
)
from uptainer.core.clock import utc_now
from uptainer.core.enums import UpdateStatus
from uptainer.core.errors import BusyError
from uptainer.core.transitions import CLOSED, WAITING
from uptainer.fleet.gates import Gate
from uptainer.fleet.situations import Situation
from uptainer.updates.markdown import plain
from uptainer.updates.steps import READY

UpdateId = Annotated[int, Field(ge=1)]
Reason = Annotated[str, Field(max_length=1000)]
By = Annotated[str, Field(max_length=200)]

TAKEN_UP = "`maintain` takes it up within a quarter of an hour"

_ENDS = {
    UpdateStatus.SUCCEEDED: Completed,
    UpdateStatus.ROLLED_BACK: Failed,
    UpdateStatus.ROLLBACK_FAILED: Failed,
    UpdateStatus.FAILED: Failed,
}


@flow(
    name="update",
    description="Carries one update through: gate, backup, apply, validate, then commit or roll back.",
    flow_run_name=lambda: about("update", "update_id"),
)
@plainly
async def update(
    update_id: UpdateId, dry_run: bool = False, override_window: Reason = "", by: By = ""
) -> State[Any]:
    """Started again at any time, it does what is next: an update that is closed is only told of.

    Args:
        update_id: The update's number, as `uptainer updates` lists it.
        dry_run: Only say every step that would be taken.
        override_window: An emergency's reason: an approved update begins also outside of its maintenance window.
        by: Your name, which `override_window` needs. It goes into the audit log, as typed.
    """
    call_suspension_no_error()
    situation = await read_update(update_id)
    await name_run(
        f"{'dry run of' if dry_run else 'update'} {situation.title}",
        f"host:{situation.host}",
        f"workload:{situation.workload}",
    )
    if dry_run:
        return await _tell_plan(situation)
    if override_window and not _was_resumed():
        await override(update_id, override_window, by)
    if situation.status not in CLOSED:
        await bind_run(update_id, UUID(runtime.flow_run.id))
    gate = await open_gate(update_id)
    if gate is not None and _is_part_of_another():
        return Completed(
            name="Asked", message=f"{situation.title}: it waits for an answer on a run of its own"
        )
    is_shown = _was_resumed()
    while gate is not None:
        await tell_people()
        if not is_shown:
            await _show(gate)
        is_shown = False
        await _ask(gate)
        gate = await open_gate(update_id)
    return await _go_on(update_id)


def _is_part_of_another() -> bool:
    """A run within a run cannot be suspended: `recover` starts one that can."""
    return bool(runtime.flow_run.parent_flow_run_id)


def _was_resumed() -> bool:
    """Whether the first gate that it comes to is the one at which it was suspended."""
    return int(runtime.flow_run.run_count) > 1


async def _show(gate: Gate) -> None:
    """The account as an artifact too, for the form is narrow."""
    await acreate_markdown_artifact(
        gate.account, key=f"update-{gate.update_id}-gate", description=plain(gate.title)
    )


async def _ask(gate: Gate) -> None:
    """Suspend until somebody answers; no process waits. A resumed run starts from the top and comes here again."""
    form = await asuspend_flow_run(
        wait_for_input=GateForm.with_initial_data(description=gate.account),
        key=gate.key,
        timeout=int(gate.patience(utc_now()).total_seconds()),
    )
    await take_answer(gate.update_id, form.answer(utc_now()), gate.account_hash)


async def _go_on(update_id: int) -> State[Any]:
    situation = await read_update(update_id)
    if situation.status not in CLOSED:
        await verify_updates([update_id])
        ready = await ask_readiness(update_id)
        if not ready.go:
            return _waiting(situation, ready.reason, ready.opens_at)
        try:
            async with shown(update_id, situation.title), start_told(update_id):
                outcome = await apply_update(update_id, situation.to_reference)
        except BusyError as busy:
            return put_off(await read_update(update_id), busy)
        if outcome.status in WAITING:
            return _waiting(situation, outcome.reason, (await ask_readiness(update_id)).opens_at)
    return await _end(update_id)


def _waiting(situation: Situation, reason: str, opens_at: datetime | None) -> State[Any]:
    when = f" It opens at {opens_at:%Y-%m-%d %H:%M %Z}." if opens_at else ""
    return Completed(name="Waiting", message=f"{situation.title}: {reason}.{when}")


def put_off(situation: Situation, busy: BusyError) -> State[Any]:
    """What was not begun, for others were at work there, has not failed: it is still approved.

    Raises:
        BusyError: it was begun.
    """
    if situation.status not in READY:
        raise busy
    return Completed(name="Waiting", message=f"{situation.title}: {busy}. {TAKEN_UP}")


async def _end(update_id: int) -> State[Any]:
    account = await close_update(update_id)
    situation = await read_update(update_id)
    await acreate_markdown_artifact(account, key=f"update-{update_id}", description=plain(situation.title))
    await tell_people()
    return _state_of(situation)


def _state_of(situation: Situation) -> State[Any]:
    name = situation.status.replace("_", " ").title().replace(" ", "")
    made = _ENDS.get(situation.status, Completed)
    return made(name=name, message=f"{situation.title}: {situation.reason}")


async def _tell_plan(situation: Situation) -> State[Any]:
    plan = await plan_update(situation.update_id)
    account = f"## What would be done: {plain(situation.title)}\n\n{plan}\n"
    key = f"update-{situation.update_id}-plan"
    await acreate_markdown_artifact(account, key=key, description="What would be done")
    return Completed(name="Planned", message=plan)
