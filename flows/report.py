"""The report: all pages, written anew."""

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows.refusals import plainly
from flows.reporting import publish
from uptainer.fleet.reports import REPORTS


@flow(
    name="report",
    description="Writes the pages that a person looks at: the fleet, what waits, security, and the last 24 hours.",
    flow_run_name="report",
)
@plainly
async def report() -> State[Any]:
    await publish(*REPORTS)
    return Completed(message=f"{len(REPORTS)} pages written: see Artifacts")
