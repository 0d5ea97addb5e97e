"""The runs that carry updates: started where one is missing, ended where nothing is left to do."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterName,
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.deployments.flow_runs import arun_deployment
from prefect.states import Cancelled

from tasks.schedules import MAINTAIN
from tasks.updates import list_asked
from uptainer.fleet.deciding import NewUpdate

UPDATE = "update/update"
_ALIVE = [StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING, StateType.PAUSED]
_PAGE = 200


async def start_proposed(proposed: Sequence[NewUpdate]) -> None:
    """Start a run for each update that a person is asked about; what the policy approved is left to `maintain`.

    That applies them in the order of their dependencies and one of a group at a time; a run for each would not.
    """
    asked = [update for update in proposed if not update.approved]
    await start_updates(asked)
    if len(asked) < len(proposed):
        await arun_deployment(MAINTAIN, timeout=0, as_subflow=False)


async def start_updates(updates: Iterable[NewUpdate]) -> None:
    """One run for each update, named and tagged; none is waited for."""
    for update in updates:
        await arun_deployment(
            UPDATE,
            parameters={"update_id": update.id},
            flow_run_name=f"update {update.title}",
            tags=[f"host:{update.host}", f"workload:{update.workload}"],
            timeout=0,
            as_subflow=False,
        )


async def settle_runs() -> tuple[int, int]:
    """Bring the runs in step with the updates: how many were started, and how many ended.

    A gate that is closed otherwise (it expired, was answered by command, or superseded) leaves a suspended run behind;
    a run that died before its gate opened leaves an update that nobody can answer.
    """
    asked = {update.id: update for update in await list_asked()}
    async with get_client() as client:
        runs = await _runs_of_updates(client)
        carried = {_update_of(run) for run in runs}
        over = [run for run in runs if _is_suspended(run) and _update_of(run) not in asked]
        if over:  # what was proposed between the two looks is asked about
            still = {update.id for update in await list_asked()}
            over = [run for run in over if _update_of(run) not in still]
        for run in over:
            await _cancel(client, run.id)
    missing = [update for number, update in asked.items() if number not in carried]
    await start_updates(missing)
    return len(missing), len(over)


async def _runs_of_updates(client: PrefectClient) -> list[FlowRun]:
    found: list[FlowRun] = []
    while page := await client.read_flow_runs(
        flow_filter=FlowFilter(name=FlowFilterName(any_=["update"])),
        deployment_filter=DeploymentFilter(name=DeploymentFilterName(any_=["update"])),
        flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_ALIVE))),
        limit=_PAGE,
        offset=len(found),
    ):
        found.extend(page)
    return found


async def _cancel(client: PrefectClient, run: UUID) -> None:
    over: State[None] = Cancelled(name="Closed", message="the update was answered or closed by another way")
    await client.set_flow_run_state(run, over, force=True)


def _update_of(run: FlowRun) -> int | None:
    """The update that this run carries; a dry run carries none."""
    number = run.parameters.get("update_id")
    return number if isinstance(number, int) and not run.parameters.get("dry_run") else None


def _is_suspended(run: FlowRun) -> bool:
    return run.state is not None and run.state.is_paused()
