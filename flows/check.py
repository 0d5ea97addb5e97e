"""The check: lookups, scans of what was found, advice, decisions, and the updates that follow."""

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows.naming import about
from flows.refusals import plainly
from flows.reporting import publish
from flows.scan import scan_all
from flows.starting import settle_runs, start_proposed
from flows.sweeping import sweep
from flows.telling import tell_people
from tasks.decisions import advise, decide
from tasks.registries import check_registry, plan_check, record_unasked
from tasks.signatures import plan_verifications, verify_registry
from uptainer.core.budgets import Urgency
from uptainer.core.errors import InvalidInputError
from uptainer.core.reference import Reference
from uptainer.fleet.scanning import UNSCANNED


@flow(
    name="check",
    description="Looks up each distinct image reference once, scans and advises on what is newer, and proposes updates.",
    flow_run_name=lambda: about("check", "container", "reference"),
)
@plainly
async def check(container: str | None = None, reference: str | None = None) -> State[Any]:
    """What could not be looked up is unknown, with the reason; it is never taken for up to date.

    Args:
        container: One container, as `host/name`; empty for the whole fleet.
        reference: An image, as `ghcr.io/me/app:1.2`: only what runs an image of its repository, on all hosts, is
            looked up. Its registry is asked anew, whatever it said before.
    """
    if container and reference:
        raise InvalidInputError("give a container or a reference, and not both")
    repository = Reference.parse(reference).name if reference else None
    return await carry_out(container, repository)


async def carry_out(container: str | None, repository: str | None) -> State[Any]:
    """The check of one container, of what runs an image of a repository, or of the whole fleet."""
    plan = await plan_check(container, repository)
    if repository and not plan.registries and not plan.settled:
        return Completed(message=f"nothing that is known here runs {repository}: no registry was asked")
    looked_up = await sweep(plan.registries.items(), lambda item: check_registry(*item))
    for (registry, questions), error in looked_up.failures:
        await record_unasked(registry, questions, str(error))
    await scan_all(UNSCANNED, container, repository)
    urgency = Urgency.WANTED if container or repository else Urgency.SWEEP
    signatures = await plan_verifications(container, repository)
    await sweep(signatures.items(), lambda item: verify_registry(*item, urgency))
    await advise(container, repository)
    decided = await decide(container, repository)
    await start_proposed(decided.proposed)
    await settle_runs()
    await publish("fleet", "waiting", "security")
    await tell_people()
    asked = sum(report.containers for report in looked_up.results)
    unknown = sum(report.unknown for report in looked_up.results)
    said = f"{asked + plan.settled} containers, {unknown} of them unknown; {len(decided.proposed)} updates proposed"
    failed = [f"{registry} could not be asked: {error}" for (registry, _), error in looked_up.failures]
    return Completed(message="; ".join([said, *failed]))
