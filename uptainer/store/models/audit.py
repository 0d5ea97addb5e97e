from sqlalchemy.orm import Mapped, mapped_column

from uptainer.store.models.base import Base, CreatedAt, Id, JsonObject


class AuditEntry(Base):
    """Append-only: a trigger refuses UPDATE, DELETE and TRUNCATE, and computes `hash` over the row and the one before.

    `authenticated` says whether `actor` was established (the system's account) or claimed (typed into a form).
    """

    __tablename__ = "audit_log"

    id: Mapped[Id]
    at: Mapped[CreatedAt]
    actor: Mapped[str]
    authenticated: Mapped[bool]
    action: Mapped[str] = mapped_column(index=True)
    subject: Mapped[str] = mapped_column(index=True)
    details: Mapped[JsonObject]
    previous_hash: Mapped[str] = mapped_column(server_default="")
    hash: Mapped[str] = mapped_column(server_default="", unique=True)
