"""The automation that turns a registry's push into a check of what runs it.

Prefect fires at the first event of a repository and then takes no more of its events for as long as `TOGETHER`. The
run begins only after that time, so that it sees whatever was pushed meanwhile: a burst is one check, and none is lost.
Nor does it fire for an event that says that a check of its repository waits already: that one will see the push.
"""

from datetime import timedelta
from http import HTTPStatus
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterName,
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.events.actions import RunDeployment
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.exceptions import PrefectHTTPStatusError

from uptainer.core.clock import utc_now
from uptainer.core.pushes import EVENT

NAME = "Uptainer: check what was pushed"
CHECK = "check-pushed/check-pushed"
TOGETHER = timedelta(seconds=3)
CHECK_LABEL = "uptainer.check"
"""A label of the event: `WANTED`, or `WAITING` where a check that has not begun will see the push."""
WANTED, WAITING = "wanted", "waiting"
_SOON = timedelta(minutes=1)
"""More than Prefect puts a run off for whose deployment is at its limit."""


async def keep_in_step(client: PrefectClient) -> bool:
    """Have the automation once, as it is said here; whether anything had to be changed.

    One that a person has switched off on the page stays so. Where several processes find none at once, each makes one, and
    looks again: whoever looks last sees all of them, and everybody keeps the same one.
    """
    deployment = await client.read_deployment_by_name(CHECK)
    found = await client.read_automations_by_name(NAME)
    wanted = _wanted(deployment.id, enabled=all(each.enabled for each in found))
    made = not found
    if made:
        await client.create_automation(wanted)
        found = await client.read_automations_by_name(NAME)
    first, *more = sorted(found, key=lambda each: each.id)
    changed = _said(first) != _said(wanted)
    if changed:
        await client.update_automation(first.id, wanted)
    for each in more:
        await _remove(client, each.id)
    return made or changed or bool(more)


async def _remove(client: PrefectClient, automation: UUID) -> None:
    """Another process may have been faster."""
    try:
        await client.delete_automation(automation)
    except PrefectHTTPStatusError as error:
        if error.response.status_code != HTTPStatus.NOT_FOUND:
            raise


async def waiting(client: PrefectClient, most: int) -> frozenset[str]:
    """The repositories, up to so many, whose check is due and has not begun.

    One that is pending is none of them: it is for moments, or for ever where its runner died just then.
    """
    due = FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
        expected_start_time=FlowRunFilterExpectedStartTime(before_=utc_now() + _SOON),
    )
    runs = await client.read_flow_runs(
        deployment_filter=DeploymentFilter(name=DeploymentFilterName(any_=[CHECK.partition("/")[2]])),
        flow_run_filter=due,
        limit=most,
    )
    return frozenset(str(each.parameters.get("reference")) for each in runs)


def _wanted(deployment: UUID, *, enabled: bool) -> AutomationCore:
    repository = {"__prefect_kind": "jinja", "template": "{{ event.payload.repository }}"}
    return AutomationCore(
        name=NAME,
        description="A registry has told that an image was pushed: what runs its repository is looked up. See docs/webhooks.md.",
        enabled=enabled,
        tags=["uptainer"],
        # The client leaves out of a change what was not said, and the server then knows no kind.
        trigger=EventTrigger(
            type="event",
            posture=Posture.Reactive,
            expect={EVENT},
            match=ResourceSpecification({CHECK_LABEL: WANTED}),
            for_each={"prefect.resource.id"},
            threshold=1,
            within=TOGETHER,
        ),
        actions=[
            RunDeployment(
                type="run-deployment",
                source="selected",
                deployment_id=deployment,
                parameters={"reference": repository},
                schedule_after=TOGETHER,
            )
        ],
    )


def _said(automation: AutomationCore) -> dict[str, object]:
    """What we say of it; the server adds to a trigger what it needs itself."""
    said = automation.model_dump(mode="json", include=set(AutomationCore.model_fields))
    said["trigger"] = {name: each for name, each in said["trigger"].items() if name != "id"}
    return said
