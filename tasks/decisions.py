"""Advice and decisions for the whole fleet, each in one transaction."""

from tasks.advisors import advisor
from tasks.resources import database
from tasks.retries import retryable
from uptainer.core.clock import utc_now
from uptainer.fleet.advising import advise_fleet
from uptainer.fleet.deciding import DecisionReport, decide_fleet


@retryable(
    name="advise",
    run_name="advise on the candidates",
    description="Reads release notes, runs the advice rules and, where one is configured, asks a language model.",
)
def advise(address: str | None, repository: str | None = None) -> int:
    return advise_fleet(database(), advisor(), utc_now(), address=address, repository=repository)


@retryable(
    name="decide",
    run_name="decide on the fleet",
    description="Runs the decision rules on every container, keeps all findings, and proposes updates.",
)
def decide(address: str | None, repository: str | None = None) -> DecisionReport:
    return decide_fleet(database(), utc_now(), address=address, repository=repository)
