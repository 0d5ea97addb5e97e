"""Updates that wait for something that is not there any more: they are given up, and a new check may propose anew."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from uptainer.core.enums import ChangeLevel, ContainerStatus, UpdateStatus
from uptainer.core.reference import Reference
from uptainer.core.transitions import WAITING
from uptainer.core.workloads import UNKNOWN_IMAGE
from uptainer.fleet.scope import left_alone
from uptainer.fleet.subjects import Known
from uptainer.store.bulk import any_of
from uptainer.store.models import CandidateRow, Container, Image, Update
from uptainer.store.repositories.audit import SYSTEM
from uptainer.store.repositories.proposals import ANSWERED
from uptainer.store.repositories.updates import UpdateRepository

GONE_FOR = timedelta(hours=1)
"""Tools that make a container anew take it away for a moment: only what stays away is gone."""

WITHDRAWN = "no lookup offers it any more: upstream took it back, or the policy excludes it by now"


def give_up_outlived(session: Session, now: datetime) -> None:
    """Close the waiting updates whose container somebody removed, or made anew from another image.

    An engine may come to know the same image by another id: what its registry calls it counts as well. While a host does
    not answer, what it last said counts; while it is not known what image runs, none of its own is another one.
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
                & (Container.image_id != "")
                & Container.image_id.not_like(f"{UNKNOWN_IMAGE}%")
                & (Container.image_id != Update.from_image_id)
                & Image.digest.is_distinct_from(Update.from_digest),
            ),
        )
    ).tuples()
    found = list(rows)
    _close(session, [number for number, gone in found if gone], "it is not there any more", now)
    replaced = "it runs another image than when this was proposed: somebody replaced it"
    _close(session, [number for number, gone in found if not gone], replaced, now)


def give_up_withdrawn(session: Session, fleet: Iterable[Known], now: datetime) -> bool:
    """Close what only the policy approved and is withdrawn; whether there was any. What a person approved is theirs."""
    waiting = {
        update.candidate_id: (update.id, known)
        for known in fleet
        if (update := known.open_update) and known.by_policy and _may_be_withdrawn(known, update)
    }
    wanted = [number for number in waiting if number is not None]
    rows = session.scalars(select(CandidateRow).where(any_of(CandidateRow.id, wanted)))
    found = [waiting[row.id][0] for row in rows if is_withdrawn(waiting[row.id][1], row)]
    _close(session, found, WITHDRAWN, now)
    return bool(found)


def is_withdrawn(known: Known, row: CandidateRow) -> bool:
    """Whether the policy excludes a candidate by now, or the last lookup that was answered gave neither it nor one in its
    place that is no older.

    One that is only not the newest any more stands: else what is released often would never ripen.
    """
    if row.level is not ChangeLevel.DIGEST and not known.policy.tags.admits(_tag(row)):
        return True
    offered = [each for each in known.candidates if each.gone_at is None and each.level is row.level]
    return row.gone_at is not None and all(_is_older(known, each, row) for each in offered)


def _may_be_withdrawn(known: Known, update: Update) -> bool:
    """On a host that nobody looks after nothing is offered, and nothing taken back."""
    return update.status in ANSWERED and left_alone(known.view) is None


def _is_older(known: Known, row: CandidateRow, other: CandidateRow) -> bool:
    tags = known.policy.tags
    older, newer = tags.read(_tag(row)), tags.read(_tag(other))
    return older is not None and newer is not None and newer.is_newer_than(older)


def _tag(row: CandidateRow) -> str:
    return Reference.parse(row.reference).tag or ""


def _close(session: Session, ids: list[int], reason: str, now: datetime) -> None:
    UpdateRepository(session).close(ids, UpdateStatus.SUPERSEDED, reason=reason, actor=SYSTEM, now=now)
