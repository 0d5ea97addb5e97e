"""What each registry may still be asked."""

from sqlalchemy import CheckConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from uptainer.core.enums import QuotaUnit
from uptainer.store.models.base import Base, Instant, enum_type

quota_unit = enum_type(QuotaUnit, "quota_unit")


class RegistryBudget(Base):
    """One registry's budget, shared by all processes; `uptainer.core.budgets` says what each value means.

    `quota_unit` is null until the registry told of a quota, `cap_requests` where we set none. A hold that is over
    stays until the row is next written.
    """

    __tablename__ = "registry_budgets"
    __table_args__ = (
        CheckConstraint("(cap_requests IS NULL) = (cap_seconds IS NULL)", name="cap_is_whole"),
        CheckConstraint("cap_requests > 0 AND cap_seconds > 0", name="cap_is_positive"),
        CheckConstraint("reserve_percent BETWEEN 0 AND 90", name="reserve_leaves_room"),
    )

    registry_host: Mapped[str] = mapped_column(primary_key=True)
    quota_unit: Mapped[QuotaUnit | None] = mapped_column(quota_unit)
    quota_remaining: Mapped[int | None]
    quota_limit: Mapped[int | None]
    quota_resets_at: Mapped[Instant | None]
    quota_source: Mapped[str | None]
    quota_seen_at: Mapped[Instant | None]
    cap_requests: Mapped[int | None]
    cap_seconds: Mapped[int | None]
    reserve_percent: Mapped[int] = mapped_column(server_default=text("20"))
    spent: Mapped[int] = mapped_column(server_default=text("0"))
    spent_since: Mapped[Instant]
    held_until: Mapped[Instant | None]
    held_reason: Mapped[str | None]
    fault: Mapped[str | None]
    fault_at: Mapped[Instant | None]
