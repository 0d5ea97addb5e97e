"""Signatures of what is offered, a task a registry."""

from collections.abc import Mapping, Sequence

from tasks.resources import database, engines, keychain
from tasks.retries import retryable
from uptainer.core.budgets import Urgency
from uptainer.core.signatures import Verification
from uptainer.fleet import signing
from uptainer.fleet.signing import Signed


@retryable(
    name="plan verifications",
    run_name="plan whose signatures are looked for",
    description="Finds the candidates whose policy asks for a signature that is not known to be there.",
)
def plan_verifications(address: str | None, repository: str | None) -> Mapping[str, Sequence[Signed]]:
    return signing.plan_verifications(database(), address=address, repository=repository)


@retryable(
    name="verify signatures",
    run_name="verify signatures at {registry}",
    description="Looks for the signatures of candidates in their registry, and judges them by the trusts of their policies.",
)
def verify_registry(registry: str, jobs: Sequence[Signed], urgency: Urgency) -> Sequence[Verification]:  # noqa: ARG001 -- the run is named by it
    return signing.verify_registry(database(), jobs, keychain(), engines(), urgency=urgency)


@retryable(
    name="verify what is approved",
    run_name="verify what is approved",
    description="Verifies again what was verified against a trust that is another one since.",
)
def verify_updates(update_ids: Sequence[int] | None) -> Sequence[Verification]:
    planned = signing.plan_updates(database(), update_ids)
    return [
        found
        for jobs in planned.values()
        for found in signing.verify_registry(database(), jobs, keychain(), engines(), urgency=Urgency.WANTED)
    ]
