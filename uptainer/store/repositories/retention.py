"""What is kept for how long. The audit log, updates, their journal and the answers on them are kept for good."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import CursorResult, Delete, delete, select
from sqlalchemy.orm import Session, aliased

from uptainer.core.enums import NotificationStatus
from uptainer.store.models import (
    CandidateRow,
    Container,
    HealthObservation,
    Image,
    ModelConsultation,
    NoticeDelivery,
    ReleasePage,
    Update,
    UpdateCheck,
    UpdateNotification,
    VulnerabilityScan,
)


@dataclass(frozen=True, slots=True)
class Retention:
    """How long each is kept after it stopped being the current one."""

    checks: timedelta = timedelta(days=90)
    candidates: timedelta = timedelta(days=90)
    scans: timedelta = timedelta(days=30)
    health: timedelta = timedelta(days=90)
    notices: timedelta = timedelta(days=30)
    images: timedelta = timedelta(days=90)
    consultations: timedelta = timedelta(days=400)
    """The database itself refuses to let go of one that is younger than a year."""
    release_pages: timedelta = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many rows went."""

    checks: int
    candidates: int
    scans: int
    health: int
    notices: int
    images: int
    consultations: int
    release_pages: int


class RetentionRepository:
    def __init__(self, session: Session) -> None:
        self._session = session

    def prune(self, retention: Retention, now: datetime) -> Pruned:
        """Delete what is older; of each container and image, what is current stays however old it is."""
        return Pruned(
            checks=self._delete(_checks(now - retention.checks)),
            candidates=self._delete(_candidates(now - retention.candidates)),
            scans=self._delete(_scans(now - retention.scans)),
            health=self._delete(_health(now - retention.health)),
            notices=self._delete(_notices(now - retention.notices)),
            images=self._delete(_images(now - retention.images)),
            consultations=self._delete(_consultations(now - retention.consultations)),
            release_pages=self._delete(_release_pages(now - retention.release_pages)),
        )

    def _delete(self, statement: Delete) -> int:
        result = self._session.execute(statement.execution_options(synchronize_session=False))
        return cast("CursorResult[Any]", result).rowcount


def _checks(before: datetime) -> Delete:
    return delete(UpdateCheck).where(~UpdateCheck.current, UpdateCheck.last_checked_at < before)


def _candidates(before: datetime) -> Delete:
    spoken_of = select(Update.id).where(Update.candidate_id == CandidateRow.id)
    return delete(CandidateRow).where(CandidateRow.gone_at < before, ~spoken_of.exists())


def _scans(before: datetime) -> Delete:
    newer = aliased(VulnerabilityScan)
    superseded = select(newer.id).where(
        newer.image_pk == VulnerabilityScan.image_pk,
        newer.status == VulnerabilityScan.status,
        newer.scanned_at > VulnerabilityScan.scanned_at,
    )
    return delete(VulnerabilityScan).where(VulnerabilityScan.scanned_at < before, superseded.exists())


def _health(before: datetime) -> Delete:
    newer = aliased(HealthObservation)
    superseded = select(newer.id).where(
        newer.container_id == HealthObservation.container_id, newer.first_at > HealthObservation.first_at
    )
    return delete(HealthObservation).where(HealthObservation.last_at < before, superseded.exists())


def _notices(before: datetime) -> Delete:
    """Those that were worked out long ago, and for which nobody is still to be told."""
    pending = select(NoticeDelivery.id).where(
        NoticeDelivery.notice_id == UpdateNotification.id, NoticeDelivery.status == NotificationStatus.PENDING
    )
    return delete(UpdateNotification).where(UpdateNotification.routed_at < before, ~pending.exists())


def _images(before: datetime) -> Delete:
    """Images that nothing runs or offers any more, with their scans."""
    runs = select(Container.id).where(Container.image_pk == Image.id)
    offered = select(CandidateRow.id).where(CandidateRow.image_pk == Image.id)
    return delete(Image).where(Image.last_seen_at < before, ~runs.exists(), ~offered.exists())


def _consultations(before: datetime) -> Delete:
    return delete(ModelConsultation).where(ModelConsultation.at < before)


def _release_pages(before: datetime) -> Delete:
    """Those of projects that nobody asked about for so long."""
    return delete(ReleasePage).where(ReleasePage.read_at < before)
