"""Notices: what is to be told, digests whose time has come, and what was not taken before."""

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows.refusals import plainly
from flows.telling import tell_people


@flow(
    name="notify",
    description="Tells each notifier what is due: new notices, digests, and what was not taken before.",
    flow_run_name="notify",
)
@plainly
async def notify() -> State[Any]:
    """A notifier that does not take its notices is tried again, ever more rarely, and given up after a day."""
    swept = await tell_people()
    told = sum(each.notices for each in swept.results)
    failed = [f"{name} was not told: {error}" for name, error in swept.failures]
    return Completed(message="; ".join([f"{told} notices told to {len(swept.results)} notifiers", *failed]))
