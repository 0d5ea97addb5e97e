"""Health of the whole fleet, host by host, side by side."""

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows.naming import about
from flows.refusals import plainly
from flows.sweeping import HOSTS_AT_ONCE, sweep
from flows.telling import tell_people
from tasks.health import probe_host
from tasks.hosts import list_hosts


@flow(
    name="health",
    description="Probes the workloads, keeps the history, and tells when one turns.",
    flow_run_name=lambda: about("health", "host"),
)
@plainly
async def health(host: str | None = None) -> State[Any]:
    """Hosts side by side.

    Args:
        host: One host by its name; empty for all.
    """
    hosts = [address.name for address in await list_hosts(host)]
    swept = await sweep(hosts, probe_host, at_once=HOSTS_AT_ONCE)
    await tell_people()
    probed = sum(report.containers for report in swept.results)
    unhealthy = sum(report.unhealthy for report in swept.results)
    turned = [sentence for report in swept.results for sentence in report.turned]
    failed = [f"{name} does not answer: {error}" for name, error in swept.failures]
    return Completed(
        message="; ".join([f"{probed} workloads probed, {unhealthy} unhealthy", *turned, *failed])
    )
