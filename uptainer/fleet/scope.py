"""Which containers the fleet's rounds leave alone, whatever a policy says; and whether what was looked up still holds."""

from collections.abc import Mapping

from sqlalchemy.orm import Session

from uptainer.core.enums import CheckResult, ContainerStatus
from uptainer.core.workloads import is_known_image
from uptainer.store.models import Container, ContainerHost, UpdateCheck
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
    if not _is_about(check, container):
        return CheckResult.UNKNOWN, "it runs another image since it was last checked"
    return check.result, check.reason


def version_of(view: ContainerView) -> str | None:
    """The version that runs: what its tag stood for where that was found out, else what its image says."""
    check, image = view.check, view.image
    told = check.stands_for if check and _is_about(check, view.container) else None
    return told or (image.version if image else None)


def _is_about(check: UpdateCheck, container: Container) -> bool:
    """While it is not known what runs, it may be what was asked about."""
    seen = container.image_id
    return seen == check.image_id or not (is_known_image(seen) and is_known_image(check.image_id))
