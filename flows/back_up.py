"""Backups on request, or of every workload whose policy asks for one."""

from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed
from pydantic import Field

from flows.naming import about
from flows.refusals import plainly
from flows.sweeping import sweep
from tasks.backups import back_up_workload, due_for_backup
from uptainer.core.enums import Consistency

By = Annotated[str, Field(max_length=200)]
Reason = Annotated[str, Field(max_length=500)]


@flow(
    name="back-up",
    description="Keeps the configuration and the volumes of workloads, verified by checksum.",
    flow_run_name=lambda: about("back up", "workload"),
)
@plainly
async def back_up(
    workload: str | None = None,
    by: By = "uptainer",
    reason: Reason = "on request",
    consistency: Consistency | None = None,
) -> State[Any]:
    """One workload, or all that want it.

    Args:
        workload: As `host/name`; empty for those whose regular backup is due.
        by: Your name. It goes into the audit log, as typed.
        reason: Goes into the audit log, and is kept with the backup.
        consistency: How it is held still meanwhile; empty for what its policy says. `stop`, `pause`, or `live`: then what it
            writes meanwhile may be half in the backup.
    """
    wanted = [workload] if workload else await due_for_backup()
    swept = await sweep(wanted, lambda address: back_up_workload(address, by, reason, consistency), at_once=2)
    said = [
        f"{kept.workload}: backup {kept.backup_id}, {kept.archives} volumes, {kept.bytes} bytes"
        for kept in swept.results
    ]
    failed = [f"{address} was not backed up: {error}" for address, error in swept.failures]
    made = Failed if failed else Completed
    return made(message="; ".join([*failed, *said]) or "no regular backup is due")
