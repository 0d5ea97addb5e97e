"""Restoring a backup, on request."""

from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from flows.naming import about
from flows.refusals import plainly
from tasks.backups import restore_as, restore_backup
from uptainer.core.errors import InvalidInputError

BackupId = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(max_length=200)]
By = Annotated[str, Field(max_length=200)]


@flow(
    name="restore",
    description="Puts back what a backup holds, after checking it; what is there now is kept first.",
    flow_run_name=lambda: about("restore backup", "backup_id"),
)
@plainly
async def restore(
    backup_id: BackupId, by: By = "uptainer", name: Name = "", start: bool = False, ports: bool = False
) -> State[Any]:
    """What is there now is backed up first, and its number is told.

    Args:
        backup_id: The backup's number, as `uptainer backups` lists it.
        by: Your name. It goes into the audit log, as typed.
        name: Another name: a container of this name is made beside the one that was backed up, which is left alone.
        start: Start that one.
        ports: Let it publish the same ports.
    """
    if name:
        return Completed(message=await restore_as(backup_id, name, by, start, ports))
    if start or ports:
        raise InvalidInputError("start and ports are for a restore under another name: say which")
    return Completed(message=await restore_backup(backup_id, by))
