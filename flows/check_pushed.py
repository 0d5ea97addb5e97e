"""The check of what a registry has told of, beside the hourly one."""

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows.check import carry_out
from flows.naming import about
from flows.refusals import plainly
from uptainer.core.reference import Reference


@flow(
    name="check-pushed",
    description="Checks at once what runs an image of the repository that a registry's webhook has told of.",
    flow_run_name=lambda: about("check", "reference"),
)
@plainly
async def check_pushed(reference: str) -> State[Any]:
    """As `check`, and not cancelled where that is running: it may have asked before the push.

    Args:
        reference: An image, as `ghcr.io/me/app:1.2`; all that runs an image of its repository is looked up.
    """
    return await carry_out(None, Reference.parse(reference).name)
