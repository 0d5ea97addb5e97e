"""Discovery of the whole fleet, host by host, side by side."""

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows.naming import about
from flows.refusals import plainly
from flows.reporting import publish
from flows.sweeping import HOSTS_AT_ONCE, sweep
from flows.telling import tell_people
from tasks.hosts import discover_host, list_hosts


@flow(
    name="discover",
    description="Reads every host side by side and keeps what runs there in step.",
    flow_run_name=lambda: about("discover", "host"),
)
@plainly
async def discover(host: str | None = None) -> State[Any]:
    """A host that does not answer is marked unreachable and its containers unknown; the others go on.

    Args:
        host: One host by its name; empty for all.
    """
    hosts = await list_hosts(host)
    swept = await sweep(hosts, discover_host, at_once=HOSTS_AT_ONCE)
    await publish("fleet")
    await tell_people()
    containers = sum(report.containers for report in swept.results)
    said = f"{len(swept.results)} of {len(hosts)} hosts answered, with {containers} containers"
    return Completed(
        message="; ".join([said, *(f"{address.name}: {error}" for address, error in swept.failures)])
    )
