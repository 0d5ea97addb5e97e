"""Backups on request, or of each workload whose regular one is due."""

from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed
from pydantic import Field

from flows.naming import about
from flows.refusals import plainly
from flows.sweeping import Swept, sweep
from tasks.backups import back_up_if_due, back_up_workload, due_for_backup
from uptainer.core.enums import Consistency
from uptainer.core.errors import BusyError
from uptainer.fleet.backing_up import Kept

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
    reason: Reason = "",
    consistency: Consistency | None = None,
) -> State[Any]:
    """One workload, or all whose regular backup is due.

    Args:
        workload: As `host/name`; empty for those whose regular backup is due.
        by: Your name. It goes into the audit log, as typed.
        reason: Kept with the backup; empty for whether it was on request or a regular one.
        consistency: How it is held still meanwhile; empty for what its policy says. `stop`, `pause`, or `live`: then what it
            writes meanwhile may be half in the backup.
    """

    async def keep(address: str) -> Kept | None:
        if workload:
            return await back_up_workload(address, by, reason or "on request", consistency)
        return await back_up_if_due(address, by, reason or "regular", consistency)

    swept = await sweep([workload] if workload else await due_for_backup(), keep, at_once=2)
    return conclude(swept, regular=not workload)


def conclude(swept: Swept[str, Kept | None], *, regular: bool) -> State[Any]:
    """A regular one of what another run works on has not failed: it stays due."""
    left = [address for address, error in swept.failures if regular and isinstance(error, BusyError)]
    failed = [
        f"{address} was not backed up: {error}" for address, error in swept.failures if address not in left
    ]
    done = [each for each in swept.results if each is not None]
    said = [
        f"{kept.workload}: backup {kept.backup_id}, {kept.archives} volumes, {kept.bytes} bytes"
        for kept in done
    ]
    if left:
        said.append(f"for the next round, for another run works on them: {', '.join(left)}")
    if len(done) < len(swept.results):
        said.append(f"{len(swept.results) - len(done)} were not due any more when their turn came")
    made = Failed if failed else Completed
    return made(message="; ".join([*failed, *said]) or "no regular backup is due")
