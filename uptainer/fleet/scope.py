"""Which containers the fleet's rounds leave alone, whatever a policy says; and whether what was looked up still holds."""

from collections.abc import Mapping

from sqlalchemy.orm import Session

from uptainer.core.enums import CheckResult, ContainerStatus
from uptainer.store.models import ContainerHost
from uptainer.store.repositories.containers import ContainerView
from uptainer.store.repositories.hosts import HostRepository


def left_alone(view: ContainerView) -> str | None:
    """Why no update is looked for and no health told of; None for a workload of the user's on a host in use."""
    if view.container.details.get("role"):
        return "it is no workload: Uptainer made it, or keeps it for the way back"
    return switched_off(view.host)


def switched_off(host: ContainerHost) -> str | None:
    """That all rounds leave a host alone, and why; None for one in use."""
    if host.removed_at is not None:
        return f"host {host.name} was taken out of the fleet"
    return None if host.enabled else f"host {host.name} is switched off: {host.disabled_reason}"


def hosts_switched_off(session: Session) -> Mapping[str, str]:
    """By name, why."""
    found = ((host.name, switched_off(host)) for host in HostRepository(session).all())
    return {name: why for name, why in found if why is not None}


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
