"""A schedule of `maintain` for each maintenance window, so that approved updates begin when it opens.

The schedule only wakes the flow: Prefect's reading of a recurrence is off by an hour around clock changes, and late
runs come all at once. The flow asks the window itself whether it is open, and the sweep every quarter of an hour
finds an opening that a schedule has missed.
"""

import asyncio
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.objects import DeploymentSchedule
from prefect.client.schemas.schedules import RRuleSchedule
from prefect.exceptions import ObjectNotFound

from uptainer.fleet.previews import windows_in_effect
from uptainer.policy.windows import Window
from uptainer.store.database import Database

MAINTAIN = "maintain/maintain"
PREFIX = "window-"
ANCHOR = "DTSTART:20200101T000000"
"""What the server adds where a rule has no beginning; said by us, so that what it keeps is what was sent."""


@dataclass(frozen=True, slots=True)
class Changes:
    """The names of the schedules (slugs) that were made, changed and removed."""

    created: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()


def follow_windows(database: Database) -> Changes:
    """Keep the schedules in step with the windows that are in effect in the fleet.

    Raises:
        BusyError: somebody else was at it for a minute.
    """

    async def follow(windows: Mapping[str, Window]) -> Changes:
        async with get_client() as client:
            return await keep_in_step(client, windows)

    with database.turn(MAINTAIN) as session:
        return asyncio.run(follow(windows_in_effect(session)))


async def keep_in_step(client: PrefectClient, windows: Mapping[str, Window]) -> Changes:
    """Make the schedules of `maintain` be those of the windows, by name; schedules that are not ours stay.

    One that a person has paused on the page stays paused. Without a deployment of `maintain`, there is nothing to keep.
    Two at once would each make what is missing, and the second one fail: `follow_windows` has them take turns.
    """
    try:
        deployment = await client.read_deployment_by_name(MAINTAIN)
    except ObjectNotFound:
        return Changes()
    wanted = {slug(name): _created(name, window) for name, window in windows.items()}
    found = await client.read_deployment_schedules(deployment.id)
    there = {each.slug: each for each in found if each.slug and each.slug.startswith(PREFIX)}
    new = [name for name in wanted if name not in there]
    if new:
        await client.create_deployment_schedules(deployment.id, [wanted[name] for name in new])
    changed = [name for name in there if name in wanted and there[name].schedule != wanted[name].schedule]
    for name in changed:
        await _update(client, deployment.id, there[name], wanted[name])
    gone = [name for name in there if name not in wanted]
    for name in gone:
        await client.delete_deployment_schedule(deployment.id, there[name].id)
    return Changes(tuple(new), tuple(changed), tuple(gone))


def slug(name: str) -> str:
    """The schedule's name on the page: the window's, with what a slug cannot hold replaced and told apart."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    if plain == name:
        return PREFIX + plain
    return f"{PREFIX}{plain}-{hashlib.sha256(name.encode()).hexdigest()[:6]}".replace("--", "-")


def schedule(window: Window) -> RRuleSchedule:
    """The instants at which the window opens, as Prefect reads an RRULE (RFC 5545): one line for each property."""
    start, _, rule = window.recurrence.rpartition(" ")
    lines = (start or ANCHOR, f"RRULE:{rule.removeprefix('RRULE:')}")
    return RRuleSchedule(rrule="\n".join(lines), timezone=window.zone)


def _created(name: str, window: Window) -> DeploymentScheduleCreate:
    return DeploymentScheduleCreate(slug=slug(name), schedule=schedule(window), parameters={"window": name})


async def _update(
    client: PrefectClient, deployment: UUID, there: DeploymentSchedule, wanted: DeploymentScheduleCreate
) -> None:
    """Every field is sent, for what a PATCH leaves out is wiped."""
    await client.update_deployment_schedule(
        deployment,
        there.id,
        active=there.active,
        schedule=wanted.schedule,
        max_scheduled_runs=there.max_scheduled_runs,
        parameters={**there.parameters, **wanted.parameters},
        slug=there.slug,
    )
