"""Restoring a backup, on request."""

from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from flows.naming import about
from flows.refusals import plainly
from tasks.backups import restore_backup

BackupId = Annotated[int, Field(ge=1)]
By = Annotated[str, Field(max_length=200)]


@flow(
    name="restore",
    description="Puts back what a backup holds, after checking it; what is there now is kept first.",
    flow_run_name=lambda: about("restore backup", "backup_id"),
)
@plainly
async def restore(backup_id: BackupId, by: By = "uptainer") -> State[Any]:
    """What is there now is backed up first, and its number is told.

    Args:
        backup_id: The backup's number, as `uptainer backups` lists it.
        by: Your name. It goes into the audit log, as typed.
    """
    return Completed(message=await restore_backup(backup_id, by))
