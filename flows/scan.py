"""Scans of the fleet: each distinct digest and platform once."""

from datetime import timedelta
from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from flows.refusals import plainly
from flows.reporting import publish
from flows.sweeping import Swept, sweep
from flows.telling import tell_people
from tasks.scans import plan_scans, record_failed_scan, scan_image
from uptainer.core.budgets import Urgency
from uptainer.core.findings import Scan
from uptainer.fleet.scanning import ScanJob

AT_ONCE = 3
"""Each Trivy takes 110 to 140 MB."""

Hours = Annotated[int, Field(ge=0)]


@flow(
    name="scan",
    description="Scans each distinct image digest and platform of the fleet with Trivy, and keeps every finding.",
    flow_run_name="scan",
)
@plainly
async def scan(older_than_hours: Hours = 20) -> State[Any]:
    """One scan serves all containers of an image.

    Args:
        older_than_hours: Scan again what was last scanned longer ago than this, in hours; 0 for everything.
    """
    swept = await scan_all(timedelta(hours=older_than_hours))
    await publish("security")
    await tell_people()
    said = f"{len(swept.results)} images scanned"
    failed = [f"{job.title} could not be scanned: {error}" for job, error in swept.failures]
    return Completed(message="; ".join([said, *failed]))


async def scan_all(
    older_than: timedelta, container: str | None = None, repository: str | None = None
) -> Swept[ScanJob, Scan]:
    """Scan what has no younger scan, of what is named if anything is; why one failed is written down for people to see."""
    jobs = await plan_scans(older_than, container, repository)
    urgency = Urgency.WANTED if container or repository else Urgency.SWEEP
    swept = await sweep(jobs, lambda job: scan_image(job, urgency), at_once=AT_ONCE)
    for job, error in swept.failures:
        await record_failed_scan(job, str(error))
    return swept
