"""Images by content, so that a thousand containers of one image are one row and one scan."""

from sqlalchemy import BigInteger, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from uptainer.store.models.base import Base, CreatedAt, Id, Instant, JsonList, JsonObject


class Image(Base):
    """`digest` is the registry's digest where the image has one, else the engine's image id.

    `image_id` is null for an image that no engine of the fleet holds yet.
    """

    __tablename__ = "images"
    __table_args__ = (UniqueConstraint("digest", "platform"),)

    id: Mapped[Id]
    digest: Mapped[str]
    platform: Mapped[str]
    image_id: Mapped[str | None]
    name: Mapped[str | None]
    tags: Mapped[JsonList]
    repo_digests: Mapped[JsonList]
    labels: Mapped[JsonObject]
    version: Mapped[str | None]
    size: Mapped[int | None] = mapped_column(BigInteger)
    image_created_at: Mapped[Instant | None]
    first_seen_at: Mapped[CreatedAt]
    last_seen_at: Mapped[Instant]
