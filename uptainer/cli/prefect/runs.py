"""Runs of our deployments: asked for, watched to their end."""

import time
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

import anyio
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import ObjectNotFound
from prefect.states import Scheduled

from uptainer.core.errors import NotFoundError, UnreachableError

POLL_SECONDS = 0.5


async def request(client: PrefectClient, flow: str, parameters: Mapping[str, Any] | None = None) -> FlowRun:
    """Ask for a run of the deployment `flow/flow`, now.

    Raises:
        NotFoundError: this server has no such deployment.
    """
    try:
        deployment = await client.read_deployment_by_name(f"{flow}/{flow}")
    except ObjectNotFound as error:
        raise NotFoundError(f"the Prefect server has no deployment {flow}/{flow}") from error
    return await client.create_flow_run_from_deployment(
        deployment.id, parameters=dict(parameters or {}), state=Scheduled()
    )


async def watch(
    client: PrefectClient, run: UUID, *, seconds: float, tell: Callable[[FlowRun], None] = lambda _: None
) -> FlowRun:
    """The run when it has ended, paused or been suspended; `tell` is given what it is now, twice a second.

    Raises:
        UnreachableError: it has not ended within `seconds`.
    """
    deadline = time.monotonic() + seconds
    while True:
        found = await client.read_flow_run(run)
        tell(found)
        if found.state is not None and (found.state.is_final() or found.state.is_paused()):
            return found
        if time.monotonic() > deadline:
            raise UnreachableError(f"the run {found.name} has not ended within {seconds:.0f} seconds")
        await anyio.sleep(POLL_SECONDS)
