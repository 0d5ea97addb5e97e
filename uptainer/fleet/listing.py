"""The fleet at a glance: what runs, what could take its place, and why or why not. For the table and the page alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from uptainer.core.enums import CheckResult, ContainerStatus
from uptainer.core.findings import Finding, Verdict
from uptainer.fleet.deciding import findings_from, title_of
from uptainer.fleet.scope import left_alone, lookup_of, version_of
from uptainer.store.models import Update
from uptainer.store.repositories.containers import ContainerRepository, ContainerView
from uptainer.store.repositories.outcomes import Outcome
from uptainer.store.repositories.updates import UpdateRepository

NOT_CHECKED = "not checked yet"
_DECISIVE = (Verdict.BLOCK, Verdict.WAIT, Verdict.ASK)


@dataclass(frozen=True, slots=True)
class Line:
    """One container. `version` and `candidate` are "" where there is none, or none is known."""

    workload: str
    status: str
    running: str
    version: str
    candidate: str
    why: str
    update_id: int | None = None


def list_fleet(
    session: Session, *, host: str | None = None, project: str | None = None, pattern: str | None = None
) -> Sequence[Line]:
    """A line for each container that is there, by host and name."""
    views = ContainerRepository(session).listing(host=host, project=project, pattern=pattern)
    updates = UpdateRepository(session)
    proposed = {update.container_id: update for update in updates.open()}
    earlier = updates.outcomes([view.container.id for view in views if view.container.id not in proposed])
    return [
        _line(view, proposed.get(view.container.id), _ended_since(view, earlier.get(view.container.id, ())))
        for view in views
    ]


def _ended_since(view: ContainerView, earlier: Sequence[Outcome]) -> Outcome | None:
    """What became of the update to what is offered, where the decision is older and does not know it."""
    decided = view.check.last_checked_at if view.check else None
    offered = (view.check.decision.get("candidate") or {}).get("digest") if view.check else None
    newest = next((each for each in earlier if each.to_digest == offered), None)
    ended = newest.finished_at if newest else None
    return newest if ended and decided and ended > decided else None


def _line(view: ContainerView, update: Update | None, ended: Outcome | None) -> Line:
    return Line(
        workload=view.address,
        status=_status(view),
        running=view.container.image_reference,
        version=version_of(view) or "",
        candidate=_candidate(view, update),
        why=_why(view, update, ended),
        update_id=update.id if update else None,
    )


def _status(view: ContainerView) -> str:
    status, health = view.container.status, view.container.health
    shown = status is ContainerStatus.RUNNING and health not in {"none", "unknown"}
    return f"{status} ({health})" if shown else str(status)


def _candidate(view: ContainerView, update: Update | None) -> str:
    if update is not None:
        return title_of(update).rpartition(" -> ")[2]
    if lookup_of(view)[0] is not CheckResult.CANDIDATES:
        return ""
    decision: Mapping[str, Any] = view.check.decision if view.check else {}
    offered = decision.get("candidate")
    return offered["reference"].rpartition("/")[2] if offered else ""


def _why(view: ContainerView, update: Update | None, ended: Outcome | None) -> str:
    result, reason = lookup_of(view)
    if view.check is None:
        return reason if left_alone(view) else NOT_CHECKED
    if update is not None:
        said = f"update {update.id} {update.status.replace('_', ' ')}"
        why = left_alone(view) or update.status_reason
        return f"{said}: {why}" if why else said
    if result is not view.check.result:
        return reason
    if ended is not None:
        status = ended.status.replace("_", " ")
        said = ended.reason if ended.reason.startswith(status) else f"{status}: {ended.reason}"
        return f"update {ended.update_id} {said}"
    findings = [each for each in findings_from(view.check.decision) if each.verdict in _DECISIVE]
    return _told(findings) or view.check.reason or view.check.result.replace("_", " ")


def _told(findings: Sequence[Finding]) -> str:
    worst = sorted(findings, key=lambda each: _DECISIVE.index(each.verdict))
    return "; ".join(each.reason for each in worst if each.verdict is worst[0].verdict)
