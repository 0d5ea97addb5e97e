"""Notices to people, each told once."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from uptainer.core.enums import NotificationStatus
from uptainer.store.models import UpdateNotification


class Tellable(Protocol):
    """What is told: `once` says what the same thing is."""

    @property
    def event(self) -> str: ...
    @property
    def subject(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def once(self) -> str: ...
    @property
    def payload(self) -> Mapping[str, Any]: ...
    @property
    def update_id(self) -> int | None: ...


class NoticeRepository:
    def __init__(self, session: Session) -> None:
        self._session = session

    def put(self, notice: Tellable) -> bool:
        """Keep it to be sent; False where the same thing was put before, however it went then."""
        statement = insert(UpdateNotification).values(
            update_id=notice.update_id,
            event=str(notice.event),
            subject=notice.subject,
            payload={**notice.payload, "text": notice.text},
            once=notice.once,
            status=NotificationStatus.PENDING,
        )
        statement = statement.on_conflict_do_nothing(index_elements=["once"])
        return self._session.scalar(statement.returning(UpdateNotification.id)) is not None

    def unsent(self, *, limit: int = 100) -> Sequence[UpdateNotification]:
        """Pending and failed ones, the oldest first. Locked for this transaction; others' are passed over."""
        return self._session.scalars(
            select(UpdateNotification)
            .where(UpdateNotification.status != NotificationStatus.SENT)
            .order_by(UpdateNotification.created_at, UpdateNotification.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        ).all()

    def sent(self, notice_id: int, now: datetime) -> None:
        self._set(notice_id, status=NotificationStatus.SENT, error=None, sent_at=now)

    def failed(self, notice_id: int, error: str) -> None:
        self._set(notice_id, status=NotificationStatus.FAILED, error=error)

    def _set(self, notice_id: int, **values: Any) -> None:
        self._session.execute(
            update(UpdateNotification)
            .where(UpdateNotification.id == notice_id)
            .values(attempts=UpdateNotification.attempts + 1, **values)
        )
