"""Which containers the fleet's rounds leave alone, whatever a policy says; and whether what was looked up still holds."""

from uptainer.core.enums import CheckResult, ContainerStatus
from uptainer.store.repositories.containers import ContainerView


def left_alone(view: ContainerView) -> str | None:
    """Why no update is looked for and no health told of; None for a workload of the user's on a host in use."""
    if view.container.details.get("role"):
        return "it is no workload: Uptainer made it, or keeps it for the way back"
    return None if view.host.enabled else f"host {view.host.name} is switched off"


def lookup_of(view: ContainerView) -> tuple[CheckResult, str]:
    """The last lookup's answer, for as long as it speaks of what runs; what it no longer speaks of is unknown."""
    excluded = left_alone(view)
    if excluded is not None:
        return CheckResult.EXCLUDED, excluded
    container, check = view.container, view.check
    if container.status is ContainerStatus.UNKNOWN:
        return CheckResult.UNKNOWN, f"host {view.host.name} does not answer"
    if check is None:
        return CheckResult.UNKNOWN, "it was not checked yet"
    if check.reference != container.image_reference or check.last_checked_at < container.container_created_at:
        return CheckResult.UNKNOWN, "it was made anew since it was last checked"
    return check.result, check.reason
