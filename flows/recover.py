"""Recovery: what a dead run left behind is finished or undone, and gates whose time is over are closed."""

from collections.abc import Sequence
from typing import Any

from prefect import flow
from prefect.artifacts import acreate_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from flows.naming import about
from flows.refusals import plainly
from flows.starting import settle_runs
from flows.telling import tell_people
from tasks.maintenance import recover_updates, settle_abandoned
from tasks.updates import close_update
from uptainer.fleet.abandoned import Settled
from uptainer.updates.markdown import plain
from uptainer.updates.recovery import Found, RecoveryReport

_ENDED = (Found.FINISHED, Found.UNDONE, Found.NEEDS_A_PERSON)


@flow(
    name="recover",
    description="Finishes or undoes what a run that died has left behind, and closes approvals that have expired.",
    flow_run_name=lambda: about("recover", "insist"),
)
@plainly
async def recover(insist: int | None = None) -> State[Any]:
    """What a living process works on is left to it.

    Args:
        insist: The number of an update whose undo failed so often that it is only tried again when asked for.
    """
    report = await recover_updates(insist)
    settled = await settle_abandoned()
    for each in report.updates:
        if each.found in _ENDED:
            account = await close_update(each.update_id)
            await acreate_markdown_artifact(
                account, key=f"update-{each.update_id}", description=plain(each.workload)
            )
    await settle_runs()
    await tell_people()
    return _end(report, settled)


def _end(report: RecoveryReport, settled: Sequence[Settled]) -> State[Any]:
    said = [
        f"update {each.update_id} of {each.host}/{each.workload}: {each.status}, {each.reason}"
        for each in report.updates
    ]
    said += [f"update {number} expired: nobody answered" for number in report.expired]
    said += [*(each.said for each in settled), *(f"left over: {each}" for each in report.leftovers)]
    is_stuck = any(each.found is Found.NEEDS_A_PERSON for each in report.updates)
    made = Completed if not is_stuck and all(each.done for each in settled) else Failed
    return made(message="; ".join(said) or "nothing was left behind")
