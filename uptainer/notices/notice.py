"""A notice: one thing that happened and that somebody should know, told once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any
from uuid import UUID

from uptainer.core.enums import NoticeSeverity

PREFIX = "uptainer."
LISTED = 5
"""How many vulnerabilities, and how many workloads, one notice names; the others are counted."""


class Event(StrEnum):
    """The names under which events go out; automations match on them. Without `uptainer.`, rules name them."""

    UPDATE_PROPOSED = "uptainer.update.proposed"
    UPDATE_WAITING = "uptainer.update.waiting"
    UPDATE_APPROVED = "uptainer.update.approved"
    UPDATE_STARTED = "uptainer.update.started"
    UPDATE_SUCCEEDED = "uptainer.update.succeeded"
    UPDATE_ROLLED_BACK = "uptainer.update.rolled-back"
    UPDATE_FAILED = "uptainer.update.failed"
    UPDATE_REJECTED = "uptainer.update.rejected"
    UPDATE_EXPIRED = "uptainer.update.expired"
    UPDATE_SUPERSEDED = "uptainer.update.superseded"
    HOST_UNREACHABLE = "uptainer.host.unreachable"
    HOST_REACHABLE = "uptainer.host.reachable"
    WORKLOAD_UNHEALTHY = "uptainer.workload.unhealthy"
    WORKLOAD_HEALTHY = "uptainer.workload.healthy"
    IMAGE_VULNERABLE = "uptainer.image.vulnerable"
    BACKUP_TEST_FAILED = "uptainer.backup.test-failed"

    @property
    def short(self) -> str:
        return self.value.removeprefix(PREFIX)


SEVERITIES: Mapping[Event, NoticeSeverity] = MappingProxyType(
    {
        Event.UPDATE_PROPOSED: NoticeSeverity.INFO,
        Event.UPDATE_WAITING: NoticeSeverity.WARNING,
        Event.UPDATE_APPROVED: NoticeSeverity.INFO,
        Event.UPDATE_STARTED: NoticeSeverity.INFO,
        Event.UPDATE_SUCCEEDED: NoticeSeverity.INFO,
        Event.UPDATE_ROLLED_BACK: NoticeSeverity.WARNING,
        Event.UPDATE_FAILED: NoticeSeverity.CRITICAL,
        Event.UPDATE_REJECTED: NoticeSeverity.INFO,
        Event.UPDATE_EXPIRED: NoticeSeverity.WARNING,
        Event.UPDATE_SUPERSEDED: NoticeSeverity.INFO,
        Event.HOST_UNREACHABLE: NoticeSeverity.CRITICAL,
        Event.HOST_REACHABLE: NoticeSeverity.CRITICAL,
        Event.WORKLOAD_UNHEALTHY: NoticeSeverity.CRITICAL,
        Event.WORKLOAD_HEALTHY: NoticeSeverity.CRITICAL,
        Event.IMAGE_VULNERABLE: NoticeSeverity.CRITICAL,
        Event.BACKUP_TEST_FAILED: NoticeSeverity.CRITICAL,
    }
)
"""What ends something bad matters as much as its begin: who was told that a host is away hears that it is back."""


@dataclass(frozen=True, slots=True)
class Notice:
    """`once` says what the same thing is: a notice whose `once` went out before is not sent again.

    `hosts` and `projects` are those that it is about: one, or for an image all that run it. `at` is when it was noted;
    `flow_run_id` the run on whose page it can be answered or read, and `is_open` whether an answer is still wanted.
    """

    event: Event
    subject: str
    text: str
    once: str
    hosts: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()
    payload: Mapping[str, Any] = field(default_factory=dict)
    update_id: int | None = None
    at: datetime | None = None
    flow_run_id: UUID | None = None
    is_open: bool = True

    @property
    def severity(self) -> NoticeSeverity:
        return SEVERITIES[self.event]


def host_turned(host: str, *, reachable: bool, reason: str, at: datetime) -> Notice:
    event = Event.HOST_REACHABLE if reachable else Event.HOST_UNREACHABLE
    text = f"{host} answers again" if reachable else f"{host} does not answer: {reason}"
    return Notice(event, f"host/{host}", text, f"{event}/{host}/{at.isoformat()}", (host,))


def workload_turned(
    host: str, workload: str, *, healthy: bool, reason: str, at: datetime, project: str | None = None
) -> Notice:
    event = Event.WORKLOAD_HEALTHY if healthy else Event.WORKLOAD_UNHEALTHY
    address = f"{host}/{workload}"
    text = f"{address} is {'well again' if healthy else 'unhealthy'}: {reason}"
    once = f"{event}/{address}/{at.isoformat()}"
    return Notice(event, f"workload/{address}", text, once, (host,), _only(project))


def backup_test_failed(
    host: str, workload: str, backup_id: int, reason: str, *, at: datetime, project: str | None = None
) -> Notice:
    """The newest backup of a workload would not bring its data back."""
    event, address = Event.BACKUP_TEST_FAILED, f"{host}/{workload}"
    text = f"backup {backup_id} of {address} could not be restored when that was tried: {reason}"
    once = f"{event}/{backup_id}/{at.isoformat()}"
    return Notice(event, f"workload/{address}", text, once, (host,), _only(project), {"backup": backup_id})


def update_turned(
    event: Event,
    update_id: int,
    host: str,
    workload: str,
    text: str,
    *,
    project: str | None = None,
    generation: str = "",
) -> Notice:
    """`generation` tells two gates of one update apart; what else an update comes to, it comes to once."""
    return Notice(
        event,
        f"workload/{host}/{workload}",
        text,
        f"{event}/{update_id}/{generation}",
        (host,),
        _only(project),
        update_id=update_id,
    )


def image_vulnerable(
    image: str,
    scan_id: int,
    found: tuple[str, ...],
    workloads: tuple[str, ...],
    *,
    hosts: tuple[str, ...],
    projects: tuple[str, ...],
) -> Notice:
    """New critical vulnerabilities, each as a phrase, in an image that these workloads run."""
    plural = "vulnerability" if len(found) == 1 else "vulnerabilities"
    text = f"{image}, which {_some(workloads)} run{'s' if len(workloads) == 1 else ''}, has {len(found)} new critical {plural}: {_some(found)}"
    return Notice(
        Event.IMAGE_VULNERABLE,
        f"image/{image}",
        text,
        f"{Event.IMAGE_VULNERABLE}/scan-{scan_id}",
        hosts,
        projects,
        {"vulnerabilities": list(found), "workloads": list(workloads)},
    )


def _some(each: tuple[str, ...]) -> str:
    left = len(each) - LISTED
    return ", ".join(each[:LISTED]) + (f" and {left} more" if left > 0 else "")


def _only(project: str | None) -> tuple[str, ...]:
    return (project,) if project else ()
