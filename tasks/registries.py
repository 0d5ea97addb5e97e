"""Lookups, a task a registry: thousands of references inside, each distinct one asked for once."""

from collections.abc import Sequence

from tasks.resources import database, engines, keychain
from tasks.retries import retryable
from uptainer.fleet import checking
from uptainer.fleet.checking import CheckPlan, CheckReport, Question
from uptainer.fleet.checking import check_registry as check
from uptainer.fleet.checking import plan_check as plan


@retryable(
    name="plan check",
    run_name="plan the check",
    description="Works out who is to be asked for what, by the containers and policies in the database.",
)
def plan_check(address: str | None, repository: str | None = None) -> CheckPlan:
    return plan(database(), address=address, repository=repository)


@retryable(
    name="check registry",
    run_name="ask {registry}",
    description="Asks one registry for all that the fleet wants of it, and records each container's answer.",
)
def check_registry(registry: str, questions: Sequence[Question]) -> CheckReport:
    return check(database(), registry, questions, keychain(), engines())


@retryable(
    name="record unasked",
    run_name="record why {registry} was not asked",
    description="Writes down that a registry could not be asked, so that no older answer is taken for today's.",
)
def record_unasked(registry: str, questions: Sequence[Question], reason: str) -> None:
    checking.record_unasked(database(), questions, f"{registry} could not be asked: {reason}")
