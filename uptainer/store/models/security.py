"""Scans by image, their vulnerabilities, and the advice on candidates."""

from sqlalchemy import CheckConstraint, Float, ForeignKey, Index, SmallInteger
from sqlalchemy.orm import Mapped, mapped_column, relationship

from uptainer.core.enums import RecommendationType, ScanStatus, Severity
from uptainer.store.models.advice import ModelConsultation, recommendation_type
from uptainer.store.models.base import Base, CreatedAt, Id, Instant, JsonList, JsonObject, enum_type
from uptainer.store.models.checks import CandidateRow
from uptainer.store.models.images import Image

scan_status = enum_type(ScanStatus, "scan_status")
severity_type = enum_type(Severity, "severity")


class VulnerabilityScan(Base):
    """`counts` is a number for each severity; `reason` says why there is no result, where there is none.

    `secrets` is null where nobody looked for any.
    """

    __tablename__ = "vulnerability_scans"
    __table_args__ = (Index("ix_vulnerability_scans_latest", "image_pk", "scanned_at"),)

    id: Mapped[Id]
    image_pk: Mapped[int] = mapped_column(ForeignKey(Image.id, ondelete="CASCADE"))
    status: Mapped[ScanStatus] = mapped_column(scan_status)
    reason: Mapped[str]
    counts: Mapped[JsonObject]
    secrets: Mapped[int | None]
    os_family: Mapped[str]
    os_version: Mapped[str]
    end_of_life: Mapped[bool | None]
    scanner_version: Mapped[str]
    database_at: Mapped[Instant | None]
    scanned_at: Mapped[Instant]

    image: Mapped[Image] = relationship(lazy="raise")


class ContainerVulnerability(Base):
    """One CVE in one package of a scanned image: every finding is kept, whatever its severity."""

    __tablename__ = "container_vulnerabilities"
    __table_args__ = (Index("ix_container_vulnerabilities_scan_id", "scan_id", "severity"),)

    id: Mapped[Id]
    scan_id: Mapped[int] = mapped_column(ForeignKey(VulnerabilityScan.id, ondelete="CASCADE"))
    cve: Mapped[str]
    package: Mapped[str]
    installed_version: Mapped[str]
    fixed_version: Mapped[str]
    severity: Mapped[Severity] = mapped_column(severity_type)
    title: Mapped[str]
    target: Mapped[str]
    url: Mapped[str]
    score: Mapped[float | None] = mapped_column(Float)
    published_at: Mapped[Instant | None]
    purl: Mapped[str] = mapped_column(server_default="")


class ImageSecret(Base):
    """Where a scan found a secret, and never the secret."""

    __tablename__ = "image_secrets"

    id: Mapped[Id]
    scan_id: Mapped[int] = mapped_column(ForeignKey(VulnerabilityScan.id, ondelete="CASCADE"), index=True)
    rule: Mapped[str]
    file: Mapped[str]
    line: Mapped[int]
    severity: Mapped[Severity] = mapped_column(severity_type)
    title: Mapped[str]


class AiRecommendation(Base):
    """Advice on a candidate; `source` is `rules`, or `rules+` and the model's name. `consultation_id` is what that model
    was asked, while it is kept.
    """

    __tablename__ = "ai_recommendations"
    __table_args__ = (CheckConstraint("risk BETWEEN 0 AND 100", name="risk_in_range"),)

    id: Mapped[Id]
    candidate_id: Mapped[int] = mapped_column(ForeignKey(CandidateRow.id, ondelete="CASCADE"), index=True)
    source: Mapped[str]
    recommendation: Mapped[RecommendationType] = mapped_column(recommendation_type)
    risk: Mapped[int] = mapped_column(SmallInteger)
    summary: Mapped[str]
    findings: Mapped[JsonList]
    created_at: Mapped[CreatedAt]
    consultation_id: Mapped[int | None] = mapped_column(
        ForeignKey(ModelConsultation.id, ondelete="SET NULL"), index=True
    )
