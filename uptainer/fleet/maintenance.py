"""What maintenance does now: the approved updates that are due, host by host, in the order they are to be applied."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from uptainer.fleet.deciding import title_of
from uptainer.fleet.durations import durations
from uptainer.fleet.readiness import Readiness, readiness_of
from uptainer.policy.schedule import PlannedUpdate, schedule
from uptainer.store.bulk import any_of
from uptainer.store.database import Database
from uptainer.store.models import Container, Update
from uptainer.store.repositories.updates import UpdateRepository


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
        due = [row for row in UpdateRepository(session).answered() if _is_over(row, now)]
        needs = _dependencies(session, due)
        expected = durations(session, due)
        answers = readiness_of(session, due, now)
    by_host: dict[str, list[tuple[Update, Readiness]]] = {}
    for row in due:
        by_host.setdefault(row.host_name, []).append((row, answers[row.id]))
    return [_host_plan(host, by_host[host], needs, expected, now) for host in sorted(by_host)]


def _is_over(row: Update, now: datetime) -> bool:
    return row.snoozed_until is None or row.snoozed_until <= now


def _host_plan(
    host: str,
    ready: Sequence[tuple[Update, Readiness]],
    needs: Mapping[int, frozenset[str]],
    expected: Mapping[int, timedelta],
    now: datetime,
) -> HostPlan:
    rows = {row.workload: row for row, _ in ready}
    waiting = [(title_of(row), said.reason) for row, said in ready if not said.go]
    going = [(row, said) for row, said in ready if said.go]
    planned = [
        PlannedUpdate(
            key=row.workload,
            approved_at=row.approved_at or row.created_at,
            duration=expected[row.id],
            urgency=row.urgency,
            depends_on=needs[row.id],
            closes_at=said.closes_at,
        )
        for row, said in going
    ]
    done = schedule(planned, now)
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
                any_of(Container.id, [row.container_id for row in due])
            )
        )
        .tuples()
        .all()
    )
    return {
        row.id: frozenset([*seen.get(row.container_id, ()), *row.policy.get("depends_on", ())])
        - {row.workload}
        for row in due
    }
