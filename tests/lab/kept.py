"""What the database holds, as tests look it up."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from uptainer.store.models import Image


def image_of(session: Session, digest: str, platform: str = "linux/amd64") -> Image:
    """The image with this digest on this platform, which there is."""
    wanted = select(Image).where(Image.digest == digest, Image.platform == platform)
    return session.scalars(wanted).one()
