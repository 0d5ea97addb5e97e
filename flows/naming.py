"""What a run says that it is about, in its name and its tags."""

from prefect import runtime
from prefect.client.orchestration import get_client
from prefect.context import FlowRunContext


def about(verb: str, *parameters: str) -> str:
    """`check`, or `check web-1` where one of these parameters was given."""
    given = [runtime.flow_run.parameters.get(name) for name in parameters]
    return " ".join([verb, *(str(each) for each in given if each not in {None, ""})])


async def name_run(name: str, *tags: str) -> None:
    """Name and tag the current run by what was read meanwhile; whoever started it knew only an id."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return
    run = context.flow_run
    async with get_client() as client:
        await client.update_flow_run(run.id, name=name, tags={*run.tags, *tags})
