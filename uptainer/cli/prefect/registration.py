"""What a Prefect server must know of Uptainer: the blocks' types and the deployments."""

from collections.abc import Sequence
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.deployments.runner import RunnerDeployment
from prefect.runner import Runner

from blocks import BLOCKS
from deployments import automations, definition


def load_deployments() -> list[RunnerDeployment]:
    """Every deployment of prefect.yaml; the flows' code is imported for it, and no server is asked."""
    return [each.served() for each in definition.read()]


async def register_blocks(client: PrefectClient) -> None:
    """As `prefect block register -m blocks` does; one after the other, as with the deployments."""
    for block in BLOCKS:
        await block.register_type_and_schema(client=client)


async def register_deployments(runner: Runner, deployments: Sequence[RunnerDeployment]) -> list[UUID]:
    """Have `runner` serve them; their ids on the server.

    One after the other: side by side they wait for each other's locks on Prefect's SQLite, and take several times as
    long.
    """
    return [await runner.aadd_deployment(deployment) for deployment in deployments]


async def register_automations(client: PrefectClient) -> None:
    """What follows on a registry's push; the deployments must be there."""
    await automations.keep_in_step(client)
