"""A notice: one thing that happened and that somebody should know, told once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Event(StrEnum):
    """The names under which events go out; automations match on them."""

    UPDATE_WAITING = "uptainer.update.waiting"
    UPDATE_SUCCEEDED = "uptainer.update.succeeded"
    UPDATE_ROLLED_BACK = "uptainer.update.rolled-back"
    UPDATE_FAILED = "uptainer.update.failed"
    HOST_UNREACHABLE = "uptainer.host.unreachable"
    HOST_REACHABLE = "uptainer.host.reachable"
    WORKLOAD_UNHEALTHY = "uptainer.workload.unhealthy"
    WORKLOAD_HEALTHY = "uptainer.workload.healthy"


@dataclass(frozen=True, slots=True)
class Notice:
    """`once` says what the same thing is: a notice whose `once` went out before is not sent again."""

    event: Event
    subject: str
    text: str
    once: str
    payload: Mapping[str, Any] = field(default_factory=dict)
    update_id: int | None = None


def host_turned(host: str, *, reachable: bool, reason: str, at: datetime) -> Notice:
    event = Event.HOST_REACHABLE if reachable else Event.HOST_UNREACHABLE
    text = f"{host} answers again" if reachable else f"{host} does not answer: {reason}"
    return Notice(event, f"host/{host}", text, f"{event}/{host}/{at.isoformat()}")


def workload_turned(workload: str, *, healthy: bool, reason: str, at: datetime) -> Notice:
    event = Event.WORKLOAD_HEALTHY if healthy else Event.WORKLOAD_UNHEALTHY
    return Notice(
        event, f"workload/{workload}", f"{workload}: {reason}", f"{event}/{workload}/{at.isoformat()}"
    )


def update_turned(event: Event, update_id: int, workload: str, text: str, *, generation: str = "") -> Notice:
    """`generation` tells two gates of one update apart; the end of an update comes once."""
    return Notice(
        event, f"workload/{workload}", text, f"{event}/{update_id}/{generation}", update_id=update_id
    )
