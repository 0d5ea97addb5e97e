"""The automation that turns a registry's push into a check of what runs it.

Prefect fires at the first event of a repository and then takes no more of its events for as long as `TOGETHER`. The
run begins only after that time, so that it sees whatever was pushed meanwhile: a burst is one check, and none is lost.
"""

from datetime import timedelta
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.events.actions import RunDeployment
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture

from uptainer.core.pushes import EVENT

NAME = "Uptainer: check what was pushed"
CHECK = "check-pushed/check-pushed"
TOGETHER = timedelta(seconds=3)


async def keep_in_step(client: PrefectClient) -> bool:
    """Have the automation once, as it is said here; whether anything had to be changed.

    One that a person has switched off on the page stays so.
    """
    deployment = await client.read_deployment_by_name(CHECK)
    found = await client.read_automations_by_name(NAME)
    wanted = _wanted(deployment.id, enabled=all(each.enabled for each in found))
    if not found:
        await client.create_automation(wanted)
        return True
    changed = _said(found[0]) != _said(wanted)
    if changed:
        await client.update_automation(found[0].id, wanted)
    for more in found[1:]:
        await client.delete_automation(more.id)
    return changed or len(found) > 1


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
