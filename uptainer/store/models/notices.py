from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from uptainer.core.enums import NotificationStatus
from uptainer.store.models.base import Base, CreatedAt, Id, Instant, JsonObject, enum_type
from uptainer.store.models.updates import Update

notification_status = enum_type(NotificationStatus, "notification_status")


class UpdateNotification(Base):
    """Something that people are told, once: `once` is unique, and says what "the same thing" is."""

    __tablename__ = "update_notifications"
    __table_args__ = (
        Index("ix_update_notifications_unsent", "created_at", postgresql_where=text("status <> 'sent'")),
    )

    id: Mapped[Id]
    update_id: Mapped[int | None] = mapped_column(ForeignKey(Update.id, ondelete="CASCADE"), index=True)
    event: Mapped[str]
    subject: Mapped[str]
    payload: Mapped[JsonObject]
    once: Mapped[str] = mapped_column(unique=True)
    status: Mapped[NotificationStatus] = mapped_column(notification_status)
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    error: Mapped[str | None]
    created_at: Mapped[CreatedAt]
    sent_at: Mapped[Instant | None]
