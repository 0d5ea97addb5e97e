"""Whose signatures are trusted, what verifying an image's found, and what an image is made of."""

from sqlalchemy import ForeignKey, LargeBinary, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from uptainer.core.enums import SbomFormat, SignatureStatus
from uptainer.store.models.base import Base, CreatedAt, Id, Instant, JsonObject, enum_type
from uptainer.store.models.images import Image

signature_status = enum_type(SignatureStatus, "signature_status")
sbom_format = enum_type(SbomFormat, "sbom_format")


class SignatureTrust(Base):
    """`document` holds public keys and roots, which are no secrets; `fingerprint` is of exactly this document."""

    __tablename__ = "signature_trusts"

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(unique=True)
    document: Mapped[JsonObject]
    fingerprint: Mapped[str]
    created_at: Mapped[CreatedAt]


class SignatureVerification(Base):
    """The last one of an image against a trust; it holds only while the trust has the same `fingerprint`."""

    __tablename__ = "signature_verifications"
    __table_args__ = (UniqueConstraint("image_pk", "trust_id"),)

    id: Mapped[Id]
    image_pk: Mapped[int] = mapped_column(ForeignKey(Image.id, ondelete="CASCADE"))
    trust_id: Mapped[int] = mapped_column(ForeignKey(SignatureTrust.id, ondelete="CASCADE"), index=True)
    fingerprint: Mapped[str]
    status: Mapped[SignatureStatus] = mapped_column(signature_status)
    reason: Mapped[str]
    signer: Mapped[str]
    signed_at: Mapped[Instant | None]
    signed_digest: Mapped[str]
    verified_at: Mapped[Instant]

    image: Mapped[Image] = relationship(lazy="raise")
    trust: Mapped[SignatureTrust] = relationship(lazy="raise")


class Sbom(Base):
    """One image's bill of materials in one format; `content` is compressed with Zstandard, `size` is without."""

    __tablename__ = "sboms"
    __table_args__ = (UniqueConstraint("image_pk", "format"),)

    id: Mapped[Id]
    image_pk: Mapped[int] = mapped_column(ForeignKey(Image.id, ondelete="CASCADE"))
    format: Mapped[SbomFormat] = mapped_column(sbom_format)
    content: Mapped[bytes] = mapped_column(LargeBinary)
    size: Mapped[int]
    components: Mapped[int]
    made_by: Mapped[str]
    made_at: Mapped[Instant]

    image: Mapped[Image] = relationship(lazy="raise")
