"""One thing done to one workload, on request."""

from typing import Annotated, Any, Literal

from prefect import flow
from prefect.artifacts import acreate_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger
from prefect.states import Completed
from pydantic import Field

from flows.naming import about
from flows.refusals import plainly
from tasks.operations import operate_workload
from uptainer.fleet.operating import Operation, Order

OperationName = Literal["start", "stop", "restart", "pause", "unpause", "remove", "exec", "inspect", "logs"]
WorkloadName = Annotated[str, Field(min_length=1)]
Tail = Annotated[int, Field(ge=1, le=10_000)]
By = Annotated[str, Field(max_length=200)]


@flow(
    name="operate",
    description="Does one thing to one workload: start, stop, restart, pause, unpause, remove, exec, inspect or logs.",
    flow_run_name=lambda: about("operate:", "operation", "workload"),
)
@plainly
async def operate(
    workload: WorkloadName,
    operation: OperationName,
    *,
    command: list[str] | None = None,
    tail: Tail = 200,
    force: bool = False,
    by: By = "uptainer",
) -> State[Any]:
    """Refused while an update works on the workload, unless it only reads.

    Args:
        workload: As `host/name`.
        operation: What is done to it.
        command: Only for exec, word by word, like `["sh", "-c", "date"]`.
        tail: Only for logs, how many lines from the end.
        force: Only for remove, also one that runs.
        by: Your name. It goes into the audit log, as typed.
    """
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
