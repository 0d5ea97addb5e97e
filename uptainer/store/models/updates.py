"""Updates, the journal of their steps, and the answers that people gave."""

from uuid import UUID

from sqlalchemy import Boolean, ForeignKey, Index, SmallInteger, UniqueConstraint, literal_column, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from uptainer.core.enums import ApprovalChannel, ApprovalDecision, ChangeLevel, StepStatus, UpdateStatus
from uptainer.core.transitions import CLOSED
from uptainer.store.models.base import Base, CreatedAt, Id, Instant, JsonObject, enum_type
from uptainer.store.models.checks import CandidateRow, change_level
from uptainer.store.models.fleet import Container

update_status = enum_type(UpdateStatus, "update_status")
step_status = enum_type(StepStatus, "step_status")
approval_decision = enum_type(ApprovalDecision, "approval_decision")
approval_channel = enum_type(ApprovalChannel, "approval_channel")

OPEN = literal_column("status NOT IN (" + ", ".join(f"'{status}'" for status in CLOSED) + ")", Boolean)
"""Written out, and not as a parameter, so that PostgreSQL sees that the partial index answers it."""


class Update(Base):
    """One candidate on its way. What it says of the container is copied, so that history stands by itself."""

    __tablename__ = "updates"
    __table_args__ = (
        Index("uq_updates_open", "container_id", unique=True, postgresql_where=OPEN),
        Index("ix_updates_status", "status", "created_at"),
        Index("ix_updates_container_id", "container_id", "created_at"),
        Index("ix_updates_created_at", "created_at"),
    )

    id: Mapped[Id]
    container_id: Mapped[int] = mapped_column(ForeignKey(Container.id, ondelete="RESTRICT"))
    candidate_id: Mapped[int | None] = mapped_column(
        ForeignKey(CandidateRow.id, ondelete="SET NULL"), index=True
    )
    reverses_id: Mapped[int | None] = mapped_column(ForeignKey("uptainer.updates.id", ondelete="RESTRICT"))
    host_name: Mapped[str]
    workload: Mapped[str]
    from_reference: Mapped[str]
    from_digest: Mapped[str]
    from_image_id: Mapped[str]
    from_version: Mapped[str | None]
    to_reference: Mapped[str]
    to_digest: Mapped[str]
    to_version: Mapped[str | None]
    level: Mapped[ChangeLevel] = mapped_column(change_level)
    platform: Mapped[str | None]
    status: Mapped[UpdateStatus] = mapped_column(update_status)
    status_reason: Mapped[str] = mapped_column(server_default="")
    urgency: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    decision: Mapped[JsonObject]
    policy: Mapped[JsonObject]
    account: Mapped[str] = mapped_column(server_default="")
    account_hash: Mapped[str] = mapped_column(server_default="")
    plan: Mapped[JsonObject] = mapped_column(server_default=text("'{}'"))
    batch: Mapped[str | None]
    flow_run_id: Mapped[UUID | None]
    snoozed_until: Mapped[Instant | None]
    expires_at: Mapped[Instant | None]
    opens_at: Mapped[Instant | None]
    window_override: Mapped[str | None]
    created_at: Mapped[CreatedAt]
    approved_at: Mapped[Instant | None]
    started_at: Mapped[Instant | None]
    finished_at: Mapped[Instant | None]
    downtime_seconds: Mapped[float | None]

    container: Mapped[Container] = relationship(lazy="raise")
    candidate: Mapped[CandidateRow | None] = relationship(lazy="raise")


class UpdateStep(Base):
    """The journal: the intent is committed before the act, the result after it."""

    __tablename__ = "update_steps"
    __table_args__ = (UniqueConstraint("update_id", "position"), UniqueConstraint("update_id", "name"))

    id: Mapped[Id]
    update_id: Mapped[int] = mapped_column(ForeignKey(Update.id, ondelete="CASCADE"))
    position: Mapped[int] = mapped_column(SmallInteger)
    name: Mapped[str]
    phase: Mapped[str]
    sentence: Mapped[str]
    status: Mapped[StepStatus] = mapped_column(step_status)
    result: Mapped[JsonObject] = mapped_column(server_default=text("'{}'"))
    error: Mapped[str | None]
    started_at: Mapped[Instant]
    finished_at: Mapped[Instant | None]
    undone_at: Mapped[Instant | None]


class Approval(Base):
    """An answer, on exactly which account of which digest. `authenticated` is false for a name that was typed.

    Append-only: a trigger refuses UPDATE, DELETE and TRUNCATE.
    """

    __tablename__ = "approvals"

    id: Mapped[Id]
    update_id: Mapped[int] = mapped_column(ForeignKey(Update.id, ondelete="RESTRICT"), index=True)
    decision: Mapped[ApprovalDecision] = mapped_column(approval_decision)
    channel: Mapped[ApprovalChannel] = mapped_column(approval_channel)
    answered_by: Mapped[str]
    authenticated: Mapped[bool]
    reason: Mapped[str] = mapped_column(server_default="")
    snooze_until: Mapped[Instant | None]
    digest: Mapped[str]
    account: Mapped[str]
    account_hash: Mapped[str]
    taken: Mapped[bool] = mapped_column(server_default=text("true"))
    refusal: Mapped[str] = mapped_column(server_default="")
    created_at: Mapped[CreatedAt]
