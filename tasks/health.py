"""Health, a task a host."""

from tasks.resources import database, engines
from tasks.retries import retryable
from uptainer.fleet import probing
from uptainer.fleet.probing import HealthReport


@retryable(
    name="probe host",
    run_name="probe {host}",
    description="Asks every workload of one host how it is, and keeps the history.",
    retries=1,
)
def probe_host(host: str) -> HealthReport:
    return probing.probe_host(database(), host, engines())
