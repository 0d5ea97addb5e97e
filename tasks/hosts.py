"""Discovery, a task a host."""

from collections.abc import Sequence

from tasks.resources import connect, database
from tasks.retries import retryable
from uptainer.core.workloads import HostAddress
from uptainer.fleet.discovery import HostReport, in_turn
from uptainer.fleet.discovery import discover_host as discover
from uptainer.store.repositories.hosts import HostRepository


@retryable(
    name="list hosts",
    run_name="list the hosts",
    description="Reads which hosts there are.",
)
def list_hosts(name: str | None) -> Sequence[HostAddress]:
    """Every enabled host's address, or the one that is named; those that did not answer last time come last."""
    with database().session() as session:
        hosts = HostRepository(session)
        rows = hosts.all(enabled_only=True) if name is None else [hosts.by_name(name)]
        return [HostRepository.address(row) for row in in_turn(rows)]


@retryable(
    name="discover host",
    run_name="discover {address.name}",
    description="Reads one engine: its version, and all of its containers, running or not.",
    retries=1,
)
def discover_host(address: HostAddress) -> HostReport:
    return discover(database(), address, connect)
