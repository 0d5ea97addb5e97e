"""Discovery of the whole fleet, host by host, side by side."""

from typing import Any

import httpx
from prefect import flow
from prefect.client.schemas.objects import State
from prefect.exceptions import PrefectException
from prefect.logging import get_run_logger
from prefect.states import Completed

from flows.naming import about
from flows.refusals import plainly
from flows.reporting import publish
from flows.sweeping import HOSTS_AT_ONCE, sweep
from flows.telling import tell_people
from tasks.hosts import discover_host, list_hosts
from tasks.maintenance import keep_schedules
from uptainer.core.errors import UptainerError


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
    await _follow_windows()
    await publish("fleet")
    await tell_people()
    containers = sum(report.containers for report in swept.results)
    said = f"{len(swept.results)} of {len(hosts)} hosts answered, with {containers} containers"
    return Completed(
        message="; ".join([said, *(f"{address.name}: {error}" for address, error in swept.failures)])
    )


async def _follow_windows() -> None:
    """A label may say a window; what is wrong with the schedules is no fault of the hosts."""
    try:
        await keep_schedules()
    except (UptainerError, PrefectException, httpx.HTTPError) as error:
        get_run_logger().warning("the schedules of maintain could not follow the windows: %s", error)
