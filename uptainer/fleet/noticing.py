"""What is to be told of updates and scans, read from what was written of them.

A process that dies between an act and its notice loses none: the act is in the database, and the next round finds it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from uptainer.core.enums import ApprovalDecision, ContainerStatus, Severity, UpdateStatus
from uptainer.core.findings import Vulnerability
from uptainer.fleet.deciding import title_of
from uptainer.notices.notice import Event, Notice, image_vulnerable, update_turned
from uptainer.store.bulk import any_of
from uptainer.store.models import (
    Approval,
    Container,
    ContainerHost,
    ContainerVulnerability,
    Image,
    Update,
    VulnerabilityScan,
)
from uptainer.store.repositories.notices import NoticeRepository

NEWS = timedelta(days=7)
"""What is longer ago is no news. Shorter than notices are kept, or the same would be told again."""

ENDS: Mapping[UpdateStatus, Event] = {
    UpdateStatus.SUCCEEDED: Event.UPDATE_SUCCEEDED,
    UpdateStatus.ROLLED_BACK: Event.UPDATE_ROLLED_BACK,
    UpdateStatus.ROLLBACK_FAILED: Event.UPDATE_FAILED,
    UpdateStatus.FAILED: Event.UPDATE_FAILED,
    UpdateStatus.REJECTED: Event.UPDATE_REJECTED,
    UpdateStatus.EXPIRED: Event.UPDATE_EXPIRED,
    UpdateStatus.SUPERSEDED: Event.UPDATE_SUPERSEDED,
}
_NOT_RUNNING = (ContainerStatus.CREATED, ContainerStatus.EXITED, ContainerStatus.DEAD)


@dataclass(frozen=True, slots=True)
class _Known:
    update: Update
    project: str | None
    approved_by: str

    def turned(self, event: Event, text: str, *, generation: str = "") -> Notice:
        update = self.update
        return update_turned(
            event,
            update.id,
            update.host_name,
            update.workload,
            f"{update.host_name}/{title_of(update)}{text}",
            project=self.project,
            generation=generation,
        )


def note_updates(session: Session, now: datetime, *, only: int | None = None) -> int:
    """Note what became of updates lately, or of one by its id, and was not noted yet; how much."""
    notices = NoticeRepository(session)
    found = [notice for known in _recent(session, now, only) for notice in _of_update(known, now)]
    told = notices.known([each.once for each in found])
    return notices.put_all([each for each in found if each.once not in told])


def note_vulnerabilities(session: Session, scan_id: int, found: Sequence[Vulnerability]) -> bool:
    """Note the critical vulnerabilities that no earlier scan of this image had, where a container runs it.

    An image that was scanned as a candidate brought its vulnerabilities before whoever approved it.
    """
    scan = session.get_one(VulnerabilityScan, scan_id)
    critical = {each.id: each for each in found if each.severity is Severity.CRITICAL}
    fresh = [critical[name] for name in sorted(critical.keys() - _known_critical(session, scan, critical))]
    running = _running(session, scan.image_pk) if fresh else []
    if not running:
        return False
    image = session.get_one(Image, scan.image_pk)
    notice = image_vulnerable(
        _called(image),
        scan_id,
        tuple(_phrase(each) for each in fresh),
        tuple(f"{host}/{key}" for host, key, _ in running),
        hosts=tuple(sorted({host for host, _, _ in running})),
        projects=tuple(sorted({project for _, _, project in running if project})),
    )
    return NoticeRepository(session).put(notice)


def _recent(session: Session, now: datetime, only: int | None) -> Sequence[_Known]:
    since = now - NEWS
    wanted = () if only is None else (Update.id == only,)
    stamps = (
        Update.created_at,
        Update.snoozed_until,
        Update.approved_at,
        Update.started_at,
        Update.finished_at,
    )
    rows = (
        session.execute(
            select(Update, Container.project)
            .join(Container, Container.id == Update.container_id)
            .where(or_(*(stamp >= since for stamp in stamps)), *wanted)
            .order_by(Update.id)
        )
        .tuples()
        .all()
    )
    names = _approvers(session, [update.id for update, _ in rows])
    return [_Known(update, project, names.get(update.id, "")) for update, project in rows]


def _of_update(known: _Known, now: datetime) -> Iterator[Notice]:
    """What it came to lately, in the order in which it did."""
    update, since = known.update, now - NEWS
    if update.reverses_id is None and update.created_at >= since:
        yield known.turned(Event.UPDATE_PROPOSED, " is proposed")
    until = update.snoozed_until
    if update.status is UpdateStatus.AWAITING_APPROVAL and until is not None and since <= until <= now:
        over = " waits for approval again: its snooze is over"
        yield known.turned(Event.UPDATE_WAITING, over, generation=f"snoozed until {until.timestamp():.0f}")
    if update.approved_at is not None and update.approved_at >= since:
        yield known.turned(
            Event.UPDATE_APPROVED, f" is approved by {known.approved_by}" if known.approved_by else ""
        )
    if update.started_at is not None and update.started_at >= since:
        yield known.turned(Event.UPDATE_STARTED, f" began at {update.started_at:%H:%M} UTC")
    if update.status in ENDS and (update.finished_at or update.started_at or update.created_at) >= since:
        said = f": {update.status.replace('_', ' ')}. {update.status_reason}".rstrip(". ")
        yield known.turned(ENDS[update.status], said)


def _approvers(session: Session, update_ids: Sequence[int]) -> Mapping[int, str]:
    rows = session.execute(
        select(Approval.update_id, Approval.answered_by)
        .where(
            any_of(Approval.update_id, update_ids),
            Approval.taken,
            Approval.decision == ApprovalDecision.APPROVE,
        )
        .order_by(Approval.id)
    )
    return dict(rows.tuples().all())


def _known_critical(
    session: Session, scan: VulnerabilityScan, wanted: Mapping[str, Vulnerability]
) -> frozenset[str]:
    """Those of them that an earlier scan of the image had, as critical ones."""
    earlier = (
        select(ContainerVulnerability.cve)
        .join(VulnerabilityScan, VulnerabilityScan.id == ContainerVulnerability.scan_id)
        .where(
            VulnerabilityScan.image_pk == scan.image_pk,
            VulnerabilityScan.id < scan.id,
            ContainerVulnerability.severity == Severity.CRITICAL,
            any_of(ContainerVulnerability.cve, list(wanted)),
        )
    )
    return frozenset(session.scalars(earlier))


def _running(session: Session, image_pk: int) -> Sequence[tuple[str, str, str | None]]:
    return (
        session.execute(
            select(ContainerHost.name, Container.key, Container.project)
            .join(Container.host)
            .where(
                Container.image_pk == image_pk,
                Container.vanished_at.is_(None),
                Container.status.not_in(_NOT_RUNNING),
                ContainerHost.removed_at.is_(None),
            )
            .order_by(ContainerHost.name, Container.key)
        )
        .tuples()
        .all()
    )


def _called(image: Image) -> str:
    """`nginx:1.27`, or its digest where it has no name."""
    if not image.name:
        return image.digest[:19]
    tag = f":{image.tags[0]}" if image.tags else ""
    return f"{image.name.rpartition('/')[2]}{tag}"


def _phrase(flaw: Vulnerability) -> str:
    fixed = f", fixed in {flaw.fixed_version}" if flaw.fixed_version else ", no fix yet"
    return f"{flaw.id} ({flaw.package} {flaw.installed_version}{fixed})"
