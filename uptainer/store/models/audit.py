from sqlalchemy import BigInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from uptainer.store.models.base import Base, CreatedAt, JsonObject


class AuditEntry(Base):
    """Append-only: a trigger refuses UPDATE, DELETE and TRUNCATE, and computes `hash` over the row and the one before.

    The trigger gives `id` too, one after the other without gaps (a sequence leaves gaps), so that a row taken out shows.

    `authenticated` says whether `actor` was established (the system's account) or claimed (typed into a form).
    """

    __tablename__ = "audit_log"

    id: Mapped[int] = mapped_column(
        BigInteger, primary_key=True, autoincrement=False, server_default=text("0")
    )
    at: Mapped[CreatedAt]
    actor: Mapped[str]
    authenticated: Mapped[bool]
    action: Mapped[str] = mapped_column(index=True)
    subject: Mapped[str] = mapped_column(index=True)
    details: Mapped[JsonObject]
    previous_hash: Mapped[str] = mapped_column(server_default="")
    hash: Mapped[str] = mapped_column(server_default="", unique=True)
