"""How long an update of a workload is expected to take."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from statistics import median

from sqlalchemy import select
from sqlalchemy.orm import Session

from uptainer.core.enums import UpdateStatus
from uptainer.store.bulk import any_of
from uptainer.store.models import Update

USUAL = timedelta(minutes=5)
"""Where none was measured."""


def durations(session: Session, updates: Sequence[Update]) -> Mapping[int, timedelta]:
    """By update id: what the earlier updates of its workload took, the median; the usual where there is none."""
    expected = durations_of(session, [row.container_id for row in updates])
    return {row.id: expected[row.container_id] for row in updates}


def durations_of(session: Session, containers: Sequence[int]) -> Mapping[int, timedelta]:
    """By container id, as `durations`."""
    rows = session.execute(
        select(Update.container_id, Update.started_at, Update.finished_at).where(
            any_of(Update.container_id, containers),
            Update.status == UpdateStatus.SUCCEEDED,
            Update.started_at.is_not(None),
            Update.finished_at.is_not(None),
        )
    ).tuples()
    taken: dict[int, list[float]] = {}
    for container, started, finished in rows:
        if started is not None and finished is not None:
            taken.setdefault(container, []).append((finished - started).total_seconds())
    usual = [USUAL.total_seconds()]
    return {each: timedelta(seconds=median(taken.get(each, usual))) for each in containers}
