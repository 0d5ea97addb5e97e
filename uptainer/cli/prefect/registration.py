"""What a Prefect server must know of Uptainer: the blocks' types and the deployments."""

import asyncio
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.runner import Runner

from blocks import BLOCKS
from deployments import definition


async def register_blocks(client: PrefectClient) -> None:
    """As `prefect block register -m blocks` does."""
    for block in BLOCKS:
        await block.register_type_and_schema(client=client)


async def register_deployments(runner: Runner) -> dict[str, UUID]:
    """Every deployment of prefect.yaml, to be served by `runner`; the ids by name."""
    served = await asyncio.to_thread(lambda: [each.served() for each in definition.read()])
    ids = await asyncio.gather(*(runner.aadd_deployment(deployment) for deployment in served))
    return {deployment.name: identifier for deployment, identifier in zip(served, ids, strict=True)}
