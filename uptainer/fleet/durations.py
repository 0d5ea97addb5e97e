"""How long an update of a workload is expected to take."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from statistics import median

from sqlalchemy import extract, func, select
from sqlalchemy.orm import Session

from uptainer.core.enums import UpdateStatus
from uptainer.store.bulk import any_of
from uptainer.store.models import Update, UpdateStep

USUAL = timedelta(minutes=5)
"""Where none was measured."""


def durations(session: Session, updates: Sequence[Update]) -> Mapping[int, timedelta]:
    """By update id: what the earlier updates of its workload took, the median; the usual where there is none."""
    expected = durations_of(session, [row.container_id for row in updates])
    return {row.id: expected[row.container_id] for row in updates}


def durations_of(session: Session, containers: Sequence[int]) -> Mapping[int, timedelta]:
    """By container id, as `durations`. What its steps took counts, and not the hours in which a machine was off between."""
    took = func.sum(extract("epoch", UpdateStep.finished_at) - extract("epoch", UpdateStep.started_at))
    rows = session.execute(
        select(Update.container_id, took)
        .join(UpdateStep, UpdateStep.update_id == Update.id)
        .where(
            any_of(Update.container_id, containers),
            Update.status == UpdateStatus.SUCCEEDED,
            UpdateStep.finished_at.is_not(None),
        )
        .group_by(Update.id)
    ).tuples()
    taken: dict[int, list[float]] = {}
    for container, seconds in rows:
        taken.setdefault(container, []).append(float(seconds))
    usual = [USUAL.total_seconds()]
    return {each: timedelta(seconds=median(taken.get(each, usual))) for each in containers}
