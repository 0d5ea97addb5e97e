"""One thing done to one workload, on request."""

from typing import Annotated, Any, Literal

from prefect import flow
from prefect.artifacts import acreate_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger
from prefect.states import Completed
from pydantic import Field

from flows.naming import about
from tasks.operations import operate_workload
from uptainer.fleet.operating import Operation, Order

OperationName = Annotated[
    Literal["start", "stop", "restart", "pause", "unpause", "remove", "exec", "inspect", "logs"],
    Field(title="Operation"),
]
WorkloadName = Annotated[str, Field(title="Workload", min_length=1, description="As `host/name`.")]
Command = Annotated[
    list[str] | None,
    Field(title="Command", description='Only for exec, word by word: `["sh", "-c", "date"]`.'),
]
Tail = Annotated[
    int, Field(ge=1, le=10_000, title="Lines", description="Only for logs: how many, from the end.")
]
Force = Annotated[bool, Field(title="Force", description="Only for remove: also one that runs.")]
By = Annotated[
    str, Field(title="Your name", max_length=200, description="Goes into the audit log, as typed.")
]


@flow(
    name="operate",
    description="Does one thing to one workload: start, stop, restart, pause, unpause, remove, exec, inspect or logs.",
    flow_run_name=lambda: about("operate:", "operation", "workload"),
)
async def operate(
    workload: WorkloadName,
    operation: OperationName,
    *,
    command: Command = None,
    tail: Tail = 200,
    force: Force = False,
    by: By = "uptainer",
) -> State[Any]:
    order = Order(Operation(operation), tuple(command or ()), tail, force)
    said = await operate_workload(workload, order, by)
    if "\n" in said:
        get_run_logger().info(said)
        await acreate_markdown_artifact(_fenced(said), key="operate", description=f"{operation} {workload}")
        return Completed(message=f"{operation} {workload}: see the log and the artifact `operate`")
    return Completed(message=said)


def _fenced(text: str) -> str:
    """A code block that nothing in the text can end: its fence is longer than any run of backticks within."""
    longest = max((len(run) for run in text.replace("\n", " ").split() if set(run) == {"`"}), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}\n"
