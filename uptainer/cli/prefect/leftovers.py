"""What an earlier `uptainer up` left on the Prefect server: runs whose process is gone, and runs that came due since.

This process is the only one that serves these deployments (it holds the data directory), so no run of theirs can be
in progress before it begins.
"""

from collections.abc import Collection
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.states import Cancelled, Crashed

from uptainer.core.clock import utc_now

_IN_PROGRESS = [StateType.RUNNING, StateType.PENDING, StateType.CANCELLING]
_PAGE = 200


async def settle(client: PrefectClient, deployments: Collection[UUID]) -> tuple[int, int]:
    """Call the runs in progress crashed and the missed scheduled ones cancelled; how many of each.

    A scheduled sweep that was missed is not made up for: the sweep at the start sees what it would have seen. A run
    that a person asked for is.
    """
    running = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_IN_PROGRESS)))
    missed = FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
        expected_start_time=FlowRunFilterExpectedStartTime(before_=utc_now()),
    )
    crashed: State[None] = Crashed(message="the Uptainer that ran this has ended")
    skipped: State[None] = Cancelled(name="Skipped", message="Uptainer was not running when this was due")
    return (
        await _set_all(client, deployments, running, crashed, only_scheduled=False),
        await _set_all(client, deployments, missed, skipped, only_scheduled=True),
    )


async def _set_all(
    client: PrefectClient,
    deployments: Collection[UUID],
    wanted: FlowRunFilter,
    state: State[None],
    *,
    only_scheduled: bool,
) -> int:
    found = await _read_all(client, deployments, wanted)
    chosen = [run for run in found if run.auto_scheduled or not only_scheduled]
    for run in chosen:
        await client.set_flow_run_state(run.id, state, force=True)
    return len(chosen)


async def _read_all(
    client: PrefectClient, deployments: Collection[UUID], wanted: FlowRunFilter
) -> list[FlowRun]:
    ours = DeploymentFilter(id=DeploymentFilterId(any_=list(deployments)))
    found: list[FlowRun] = []
    while page := await client.read_flow_runs(
        flow_run_filter=wanted, deployment_filter=ours, limit=_PAGE, offset=len(found)
    ):
        found.extend(page)
    return found
