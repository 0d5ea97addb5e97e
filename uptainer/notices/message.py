"""The words in which notices reach a person: one, or several in one message."""

from collections.abc import Sequence
from dataclasses import dataclass

from uptainer.core.enums import NoticeSeverity
from uptainer.core.text import one_line
from uptainer.notices.notice import Event, Notice

TITLES = {
    Event.UPDATE_PROPOSED: "An update is proposed",
    Event.UPDATE_WAITING: "An update waits for you",
    Event.UPDATE_APPROVED: "An update is approved",
    Event.UPDATE_STARTED: "An update has begun",
    Event.UPDATE_SUCCEEDED: "An update succeeded",
    Event.UPDATE_ROLLED_BACK: "An update was rolled back",
    Event.UPDATE_FAILED: "An update failed",
    Event.UPDATE_REJECTED: "An update was rejected",
    Event.UPDATE_EXPIRED: "An update was not answered in time",
    Event.UPDATE_SUPERSEDED: "An update is superseded",
    Event.HOST_UNREACHABLE: "A host does not answer",
    Event.HOST_REACHABLE: "A host answers again",
    Event.WORKLOAD_UNHEALTHY: "A workload is unhealthy",
    Event.WORKLOAD_HEALTHY: "A workload is well again",
    Event.IMAGE_VULNERABLE: "A new critical vulnerability",
    Event.BACKUP_TEST_FAILED: "A backup could not be restored",
}
GOOD = frozenset({Event.UPDATE_SUCCEEDED, Event.HOST_REACHABLE, Event.WORKLOAD_HEALTHY})
LONGEST_LINE = 500
MORE = "and {} more: uptainer notices"


@dataclass(frozen=True, slots=True)
class Message:
    """`is_good` is true where all of it is good news."""

    title: str
    body: str
    severity: NoticeSeverity
    is_good: bool


def write_message(notices: Sequence[Notice], *, page: str = "", longest: int = 8000) -> Message:
    """One message of at most `longest` characters; what does not fit is counted. `page` is where runs are seen."""
    worst = max(notices, key=lambda each: list(NoticeSeverity).index(each.severity))
    title = TITLES[notices[0].event] if len(notices) == 1 else _count(notices)
    lines = [_line(each, page, alone=len(notices) == 1) for each in notices]
    return Message(
        f"Uptainer: {title}",
        _fitting(lines, longest),
        worst.severity,
        all(each.event in GOOD for each in notices),
    )


def _count(notices: Sequence[Notice]) -> str:
    """What waits for somebody is said first."""
    waiting = sum(each.event is Event.UPDATE_WAITING and each.is_open for each in notices)
    said = f", {waiting} of them wait{'s' if waiting == 1 else ''} for you" if waiting else ""
    return f"{len(notices)} notices{said}"


def _line(notice: Notice, page: str, *, alone: bool) -> str:
    head = "" if alone else f"{notice.at:%Y-%m-%d %H:%M} UTC, " if notice.at else ""
    kind = "" if alone else f"{TITLES[notice.event]}. "
    text = one_line(notice.text)
    text = text if len(text) <= LONGEST_LINE else f"{text[: LONGEST_LINE - 1]}…"
    return f"{head}{kind}{text}{_answer(notice, page)}"


def _answer(notice: Notice, page: str) -> str:
    link = f"{page}/runs/flow-run/{notice.flow_run_id}" if page and notice.flow_run_id else ""
    if notice.event is not Event.UPDATE_WAITING:
        return f"\n  {link}" if link else ""
    if not notice.is_open:
        return "\n  It was answered since, or is closed."
    command = f"uptainer approve {notice.update_id}"
    return f"\n  Answer: {link} or {command}" if link else f"\n  Answer: {command}"


def _fitting(lines: Sequence[str], longest: int) -> str:
    whole = "\n".join(lines)
    kept = len(lines)
    while len(whole) > longest and kept > 1:
        kept -= 1
        whole = "\n".join([*lines[:kept], MORE.format(len(lines) - kept)])
    return whole[:longest]
