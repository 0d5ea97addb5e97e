"""How long an update of a workload is expected to take."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from statistics import median

from sqlalchemy import extract, func, select
from sqlalchemy.orm import Session

from uptainer.core.enums import UpdateStatus
from uptainer.store.bulk import any_of
from uptainer.store.models import Update, UpdateStep
from uptainer.updates.steps import Stage

USUAL = timedelta(minutes=5)
"""Where none was measured."""


def durations(session: Session, updates: Sequence[Update]) -> Mapping[int, timedelta]:
    """By update id: what the earlier updates of its workload took, the median; `USUAL` where there is none."""
    expected = durations_of(session, [row.container_id for row in updates])
    return {row.id: expected[row.container_id] for row in updates}


def durations_of(session: Session, containers: Sequence[int]) -> Mapping[int, timedelta]:
    """By container id, as `durations`. What its steps took counts, and not the hours in which a machine was off between."""
    return _measured(session, containers, tuple(Stage), USUAL)


def rest_of(session: Session, update: Update) -> timedelta:
    """What is left to do of one that is prepared; nothing where none was measured."""
    stages = tuple(each for each in Stage if each is not Stage.PREPARE)
    return _measured(session, [update.container_id], stages, timedelta(0))[update.container_id]


def _measured(
    session: Session, containers: Sequence[int], stages: Sequence[Stage], otherwise: timedelta
) -> Mapping[int, timedelta]:
    took = func.sum(extract("epoch", UpdateStep.finished_at) - extract("epoch", UpdateStep.started_at))
    rows = session.execute(
        select(Update.container_id, took)
        .join(UpdateStep, UpdateStep.update_id == Update.id)
        .where(
            any_of(Update.container_id, containers),
            Update.status == UpdateStatus.SUCCEEDED,
            UpdateStep.finished_at.is_not(None),
            UpdateStep.phase.in_(stages),
        )
        .group_by(Update.id)
    ).tuples()
    taken: dict[int, list[float]] = {}
    for container, seconds in rows:
        taken.setdefault(container, []).append(float(seconds))
    return {
        each: timedelta(seconds=median(taken[each])) if each in taken else otherwise for each in containers
    }
