"""Trying backups by schedule: each is restored beside everything else, compared, and cleared away again."""

from datetime import timedelta
from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed
from pydantic import Field

from flows.naming import about
from flows.refusals import plainly
from flows.sweeping import sweep
from flows.telling import tell_people
from tasks.backups import backups_to_try, try_backup

By = Annotated[str, Field(max_length=200)]
Days = Annotated[int, Field(ge=1, le=365)]
Most = Annotated[int, Field(ge=1, le=1000)]
BackupId = Annotated[int, Field(ge=1)]


@flow(
    name="test-restore",
    description="Restores the newest backups beside everything else, compares them file by file, and clears them away again.",
    flow_run_name=lambda: about("test restore", "backup_id"),
)
@plainly
async def try_restore(
    backup_id: BackupId | None = None,
    every_days: Days = 28,
    at_most: Most = 10,
    start: bool = False,
    by: By = "uptainer",
) -> State[Any]:
    """One backup, or the newest of each workload.

    Args:
        backup_id: One backup, whenever it was tried last.
        every_days: Else those that were not tried for so many days.
        at_most: So many in one run; those that were never tried come first.
        start: Start what was restored too, without a network, and wait until it is healthy.
        by: Your name. It goes into the audit log, as typed.
    """
    wanted = [backup_id] if backup_id else await backups_to_try(timedelta(days=every_days), at_most)
    swept = await sweep(wanted, lambda number: try_backup(number, by, start), at_once=2)
    said = [f"backup {each.backup_id} of {each.workload}: {each.said}" for each in swept.results]
    failed = [f"backup {number} was not tried: {error}" for number, error in swept.failures]
    is_bad = any(each.passed is False for each in swept.results)
    if is_bad:
        await tell_people()
    made = Failed if failed or is_bad else Completed
    return made(message="; ".join([*failed, *said]) or "every newest backup was tried lately")
