"""What a Prefect server must know of Uptainer: the blocks' types and the deployments."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.deployments.runner import RunnerDeployment
from prefect.runner import Runner

from blocks import BLOCKS
from deployments import definition


def load_deployments() -> list[RunnerDeployment]:
    """Every deployment of prefect.yaml; the flows' code is imported for it, and no server is asked."""
    return [each.served() for each in definition.read()]


async def register_blocks(client: PrefectClient) -> None:
    """As `prefect block register -m blocks` does."""
    await asyncio.gather(*(block.register_type_and_schema(client=client) for block in BLOCKS))


async def register_deployments(runner: Runner, deployments: Sequence[RunnerDeployment]) -> list[UUID]:
    """Have `runner` serve them; their ids on the server."""
    return await asyncio.gather(*(runner.aadd_deployment(deployment) for deployment in deployments))
