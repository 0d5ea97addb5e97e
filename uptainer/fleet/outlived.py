"""Updates that wait for something that is not there any more: they are given up, and a new check may propose anew."""

from datetime import datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from uptainer.core.enums import ContainerStatus, UpdateStatus
from uptainer.core.transitions import WAITING
from uptainer.store.models import Container, Image, Update
from uptainer.store.repositories.audit import SYSTEM
from uptainer.store.repositories.updates import UpdateRepository

GONE_FOR = timedelta(hours=1)
"""Tools that make a container anew take it away for a moment: only what stays away is gone."""


def give_up_outlived(session: Session, now: datetime) -> None:
    """Close the waiting updates whose container somebody removed, or made anew from another image.

    An engine may come to know the same image by another id: what its registry calls it counts as well. While a host does
    not answer, what it last said counts.
    """
    rows = session.execute(
        select(Update.id, Container.vanished_at)
        .join(Container, Container.id == Update.container_id)
        .outerjoin(Container.image)
        .where(
            Update.status.in_(WAITING),
            Container.status != ContainerStatus.UNKNOWN,
            or_(
                Container.vanished_at < now - GONE_FOR,
                Container.vanished_at.is_(None)
                & (Container.image_id != Update.from_image_id)
                & Image.digest.is_distinct_from(Update.from_digest),
            ),
        )
    ).tuples()
    found = list(rows)
    _close(session, [number for number, gone in found if gone], "it is not there any more", now)
    replaced = "it runs another image than when this was proposed: somebody replaced it"
    _close(session, [number for number, gone in found if not gone], replaced, now)


def _close(session: Session, ids: list[int], reason: str, now: datetime) -> None:
    UpdateRepository(session).close(ids, UpdateStatus.SUPERSEDED, reason=reason, actor=SYSTEM, now=now)
