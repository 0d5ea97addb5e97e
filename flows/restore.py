"""Restoring a backup, on request."""

from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from flows.naming import about
from tasks.backups import restore_backup

BackupId = Annotated[
    int, Field(ge=1, title="Backup", description="Its number, as `uptainer backups` lists it.")
]
By = Annotated[
    str, Field(title="Your name", max_length=200, description="Goes into the audit log, as typed.")
]


@flow(
    name="restore",
    description="Puts back what a backup holds, after checking it; what is there now is kept first.",
    flow_run_name=lambda: about("restore backup", "backup_id"),
)
async def restore(backup_id: BackupId, by: By = "uptainer") -> State[Any]:
    return Completed(message=await restore_backup(backup_id, by))
