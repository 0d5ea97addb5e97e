"""What maintenance does now: the approved updates that are due, host by host, in the order they are to be applied."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import median

from sqlalchemy import select
from sqlalchemy.orm import Session

from uptainer.core.enums import UpdateStatus
from uptainer.fleet.deciding import title_of
from uptainer.fleet.readiness import APPROVED, Readiness, readiness
from uptainer.policy.schedule import PlannedUpdate, schedule
from uptainer.store.database import Database
from uptainer.store.models import Container, Update
from uptainer.store.repositories.updates import UpdateRepository

USUAL = timedelta(minutes=5)
"""How long an update is expected to take where none was measured."""


@dataclass(frozen=True, slots=True)
class Due:
    """One update to apply; `depends_on` are workloads of the same host that come first."""

    update_id: int
    title: str
    workload: str
    depends_on: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class HostPlan:
    """One host's updates, in order; and what is left for later, each with the reason."""

    host: str
    due: tuple[Due, ...]
    left: tuple[tuple[str, str], ...]


def plan_maintenance(database: Database, now: datetime) -> Sequence[HostPlan]:
    """Ask policy and window again for each approved update, and order what may begin; hosts by name."""
    with database.session() as session:
        due = [
            row for row in UpdateRepository(session).open() if row.status in APPROVED and _is_over(row, now)
        ]
        needs = _dependencies(session, due)
        durations = _durations(session, due)
    ready = [(row, readiness(database, row.id, now)) for row in due]
    hosts = sorted({row.host_name for row in due})
    return [
        _host_plan(host, [each for each in ready if each[0].host_name == host], needs, durations, now)
        for host in hosts
    ]


def _is_over(row: Update, now: datetime) -> bool:
    return row.snoozed_until is None or row.snoozed_until <= now


def _host_plan(
    host: str,
    ready: Sequence[tuple[Update, Readiness]],
    needs: Mapping[int, frozenset[str]],
    durations: Mapping[int, timedelta],
    now: datetime,
) -> HostPlan:
    rows = {row.workload: row for row, _ in ready}
    waiting = [(title_of(row), said.reason) for row, said in ready if not said.go]
    going = [(row, said) for row, said in ready if said.go]
    planned = [
        PlannedUpdate(
            key=row.workload,
            approved_at=row.approved_at or row.created_at,
            duration=durations[row.id],
            urgency=row.urgency,
            depends_on=needs[row.id],
        )
        for row, _ in going
    ]
    closing = [said.closes_at for _, said in going if said.closes_at is not None]
    done = schedule(planned, now, min(closing, default=None))
    return HostPlan(
        host,
        tuple(_due(rows[start.update.key], start.update.depends_on) for start in done.starts),
        (*waiting, *((title_of(rows[each.key]), finding.reason) for each, finding in done.left)),
    )


def _due(row: Update, depends_on: frozenset[str]) -> Due:
    return Due(row.id, title_of(row), row.workload, depends_on)


def _dependencies(session: Session, due: Sequence[Update]) -> Mapping[int, frozenset[str]]:
    """By update id, the workloads on its host that it needs: as discovery saw it, and as the policy says."""
    seen = dict(
        session.execute(
            select(Container.id, Container.depends_on).where(
                Container.id.in_([row.container_id for row in due])
            )
        ).tuples()
    )
    return {
        row.id: frozenset([*seen.get(row.container_id, ()), *row.policy.get("depends_on", ())])
        - {row.workload}
        for row in due
    }


def _durations(session: Session, due: Sequence[Update]) -> Mapping[int, timedelta]:
    """How long the updates of each workload took so far, the median; the usual for one that has none behind it."""
    rows = session.execute(
        select(Update.container_id, Update.started_at, Update.finished_at).where(
            Update.container_id.in_([row.container_id for row in due]),
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
    return {row.id: timedelta(seconds=median(taken.get(row.container_id, usual))) for row in due}
