from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from uptainer.core.enums import NoticeSeverity, NotificationStatus
from uptainer.store.models.base import Base, CreatedAt, Id, Instant, JsonList, JsonObject, enum_type
from uptainer.store.models.updates import Update

notification_status = enum_type(NotificationStatus, "notification_status")
notice_severity = enum_type(NoticeSeverity, "notice_severity")


class UpdateNotification(Base):
    """Something that people are told, once: `once` is unique, and says what "the same thing" is.

    `routed_at` is null until it was worked out who is told: a row of `notice_deliveries` for each.
    """

    __tablename__ = "update_notifications"
    __table_args__ = (
        Index("ix_update_notifications_unrouted", "created_at", postgresql_where=text("routed_at IS NULL")),
    )

    id: Mapped[Id]
    update_id: Mapped[int | None] = mapped_column(ForeignKey(Update.id, ondelete="CASCADE"), index=True)
    event: Mapped[str]
    severity: Mapped[NoticeSeverity] = mapped_column(notice_severity, server_default="info")
    subject: Mapped[str]
    hosts: Mapped[JsonList] = mapped_column(server_default=text("'[]'"))
    projects: Mapped[JsonList] = mapped_column(server_default=text("'[]'"))
    payload: Mapped[JsonObject]
    once: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[CreatedAt]
    routed_at: Mapped[Instant | None]


class NoticeDelivery(Base):
    """One notice for one notifier, which is the name of a block, or Prefect's events.

    `mark` is of the message that it went into: what was tried together is tried again together, under the same mark.
    `attempts` counts the tries begun, `due_at` is when the next one may be; it is set before a try, for its process may
    die. FAILED: given up.
    """

    __tablename__ = "notice_deliveries"
    __table_args__ = (
        UniqueConstraint("notice_id", "notifier"),
        Index(
            "ix_notice_deliveries_pending", "notifier", "due_at", postgresql_where=text("status = 'pending'")
        ),
    )

    id: Mapped[Id]
    notice_id: Mapped[int] = mapped_column(ForeignKey(UpdateNotification.id, ondelete="CASCADE"))
    notifier: Mapped[str]
    status: Mapped[NotificationStatus] = mapped_column(notification_status)
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    mark: Mapped[UUID | None]
    error: Mapped[str | None]
    due_at: Mapped[Instant]
    sent_at: Mapped[Instant | None]

    notice: Mapped[UpdateNotification] = relationship(lazy="raise")
