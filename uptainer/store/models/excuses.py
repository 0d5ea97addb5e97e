"""What keeps a finding of a scan from counting: what somebody allowed, and what a VEX document says."""

from sqlalchemy import CheckConstraint, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from uptainer.core.enums import VexFormat
from uptainer.store.models.base import Base, Id, Instant, enum_type

vex_format = enum_type(VexFormat, "vex_format")


class AllowanceRow(Base):
    """A vulnerability, or a secret's rule, that somebody accepts until a time; "" means any of its kind."""

    __tablename__ = "allowances"
    __table_args__ = (
        UniqueConstraint("finding", "package", "image", "workload", "project"),
        CheckConstraint("reason <> ''", name="has_reason"),
    )

    id: Mapped[Id]
    finding: Mapped[str]
    package: Mapped[str] = mapped_column(server_default="")
    image: Mapped[str] = mapped_column(server_default="")
    workload: Mapped[str] = mapped_column(server_default="")
    project: Mapped[str] = mapped_column(server_default="")
    reason: Mapped[str]
    expires_at: Mapped[Instant]
    allowed_by: Mapped[str]
    allowed_at: Mapped[Instant]


class VexDocument(Base):
    """A VEX document whole, as it was given; `sha256` is of its bytes, in hexadecimal."""

    __tablename__ = "vex_documents"

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(unique=True)
    format: Mapped[VexFormat] = mapped_column(vex_format)
    sha256: Mapped[str]
    content: Mapped[str]
    added_by: Mapped[str]
    added_at: Mapped[Instant]
