"""What language models were asked and what that took, and what is remembered of the hosts with release notes."""

from datetime import date
from decimal import Decimal

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Date, Double, Index, Numeric, SmallInteger, Text
from sqlalchemy.orm import Mapped, mapped_column

from uptainer.core.enums import Forge, ModelProvider, RecommendationType
from uptainer.store.models.base import Base, Id, Instant, JsonList, enum_type

recommendation_type = enum_type(RecommendationType, "recommendation_type")


class ModelConsultation(Base):
    """One question to a model and its answers, whole. Append-only: a trigger refuses UPDATE and TRUNCATE, and DELETE of
    what is younger than a year.

    It stands by itself, with the names of what it was about: candidates and their recommendations go before it does.
    """

    __tablename__ = "model_consultations"
    __table_args__ = (Index("ix_model_consultations_workload", "workload", "at"),)

    id: Mapped[Id]
    at: Mapped[Instant] = mapped_column(index=True)
    provider: Mapped[ModelProvider] = mapped_column(enum_type(ModelProvider, "model_provider"))
    model: Mapped[str]
    workload: Mapped[str]
    image: Mapped[str]
    version_before: Mapped[str]
    version_after: Mapped[str]
    instructions: Mapped[str]
    question: Mapped[str]
    turns: Mapped[JsonList]
    requests: Mapped[int]
    input_tokens: Mapped[int]
    output_tokens: Mapped[int]
    cost: Mapped[Decimal | None] = mapped_column(Numeric(14, 6))
    seconds: Mapped[float] = mapped_column(Double)
    decision: Mapped[RecommendationType | None] = mapped_column(recommendation_type)
    risk: Mapped[int | None] = mapped_column(SmallInteger)
    error: Mapped[str]


class ModelSpending(Base):
    """What the models took on one day of UTC, with what is set aside for questions that are under way."""

    __tablename__ = "model_spending"
    __table_args__ = (
        CheckConstraint("calls >= 0 AND input_tokens >= 0 AND output_tokens >= 0", name="not_negative"),
    )

    day: Mapped[date] = mapped_column(Date, primary_key=True)
    calls: Mapped[int] = mapped_column(server_default="0")
    seconds: Mapped[float] = mapped_column(Double, server_default="0")
    input_tokens: Mapped[int] = mapped_column(BigInteger, server_default="0")
    output_tokens: Mapped[int] = mapped_column(BigInteger, server_default="0")
    cost: Mapped[Decimal] = mapped_column(Numeric(14, 6), server_default="0")


class ReleaseHostRow(Base):
    """`forge` is null where the host speaks no API that is known, or was not asked yet (`recognised_at` is null)."""

    __tablename__ = "release_hosts"

    host: Mapped[str] = mapped_column(Text, primary_key=True)
    forge: Mapped[Forge | None] = mapped_column(enum_type(Forge, "forge"))
    recognised_at: Mapped[Instant | None]
    paused_until: Mapped[Instant | None]


class ReleasePage(Base):
    """One page of a project's releases as it was read last; `more` says that another page follows."""

    __tablename__ = "release_pages"

    url: Mapped[str] = mapped_column(Text, primary_key=True)
    etag: Mapped[str]
    releases: Mapped[JsonList]
    more: Mapped[bool] = mapped_column(Boolean)
    read_at: Mapped[Instant] = mapped_column(index=True)
