"""What lookups found: a check for each container, and the candidates of it."""

from sqlalchemy import Boolean, ForeignKey, Index, UniqueConstraint, literal_column, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from uptainer.core.enums import ChangeLevel, CheckResult
from uptainer.store.models.base import Base, Id, Instant, JsonObject, enum_type
from uptainer.store.models.fleet import Container
from uptainer.store.models.images import Image

check_result = enum_type(CheckResult, "check_result")
change_level = enum_type(ChangeLevel, "change_level")

CURRENT = literal_column("current", Boolean)


class UpdateCheck(Base):
    """A row for each different answer; `last_checked_at` moves while the answer stays the same.

    `image_id` is of the image that it is about, "" where that was not known.
    """

    __tablename__ = "update_checks"
    __table_args__ = (
        Index("uq_update_checks_current", "container_id", unique=True, postgresql_where=CURRENT),
        Index("ix_update_checks_container_id", "container_id", "first_checked_at"),
    )

    id: Mapped[Id]
    container_id: Mapped[int] = mapped_column(ForeignKey(Container.id, ondelete="CASCADE"))
    reference: Mapped[str]
    image_id: Mapped[str] = mapped_column(server_default="")
    result: Mapped[CheckResult] = mapped_column(check_result)
    reason: Mapped[str]
    registry_digest: Mapped[str | None]
    etag: Mapped[str | None]
    stands_for: Mapped[str | None]
    decision: Mapped[JsonObject] = mapped_column(server_default=text("'{}'"))
    current: Mapped[bool] = mapped_column(server_default=text("true"))
    first_checked_at: Mapped[Instant]
    last_checked_at: Mapped[Instant]


class CandidateRow(Base):
    """A candidate as it was found; `gone_at` is set when a later lookup no longer gives it."""

    __tablename__ = "candidates"
    __table_args__ = (UniqueConstraint("container_id", "reference", "digest"),)

    id: Mapped[Id]
    container_id: Mapped[int] = mapped_column(ForeignKey(Container.id, ondelete="CASCADE"))
    image_pk: Mapped[int | None] = mapped_column(ForeignKey(Image.id, ondelete="SET NULL"), index=True)
    reference: Mapped[str]
    digest: Mapped[str]
    level: Mapped[ChangeLevel] = mapped_column(change_level)
    version: Mapped[str | None]
    labels: Mapped[JsonObject]
    published_at: Mapped[Instant | None]
    found_at: Mapped[Instant]
    last_seen_at: Mapped[Instant]
    gone_at: Mapped[Instant | None]

    container: Mapped[Container] = relationship(lazy="raise")
