"""Backups on request, or of every workload whose policy asks for one."""

from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed
from pydantic import Field

from flows.naming import about
from flows.sweeping import sweep
from tasks.backups import back_up_workload, wanting_backup

WorkloadName = Annotated[
    str | None,
    Field(title="Workload", description="As `host/name`; empty for all whose policy backs up their volumes."),
]
By = Annotated[
    str, Field(title="Your name", max_length=200, description="Goes into the audit log, as typed.")
]
Reason = Annotated[str, Field(title="Reason", max_length=500)]
Stop = Annotated[
    bool,
    Field(
        title="Stop it meanwhile",
        description="Else data that is written meanwhile may be half in the backup.",
    ),
]


@flow(
    name="back-up",
    description="Keeps the configuration and the volumes of workloads, verified by checksum.",
    flow_run_name=lambda: about("back up", "workload"),
)
async def back_up(
    workload: WorkloadName = None, by: By = "uptainer", reason: Reason = "on request", stop: Stop = True
) -> State[Any]:
    wanted = [workload] if workload else await wanting_backup()
    swept = await sweep(wanted, lambda address: back_up_workload(address, by, reason, stop), at_once=2)
    said = [
        f"{kept.workload}: backup {kept.backup_id}, {kept.archives} volumes, {kept.bytes} bytes"
        for kept in swept.results
    ]
    failed = [f"{address} was not backed up: {error}" for address, error in swept.failures]
    made = Failed if failed else Completed
    return made(message="; ".join([*failed, *said]) or "no policy asks for a backup of volumes")
