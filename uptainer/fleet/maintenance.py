"""What maintenance does now: the approved updates that are due, server by server, in the order they are to be applied."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from uptainer.fleet.deciding import title_of
from uptainer.fleet.durations import durations
from uptainer.fleet.readiness import Readiness, readiness_of
from uptainer.policy.schedule import ONE_BY_ONE, Bounds, PlannedUpdate, schedule
from uptainer.store.bulk import any_of
from uptainer.store.database import Database
from uptainer.store.models import Container, ContainerHost, Server, Update
from uptainer.store.repositories.updates import UpdateRepository


@dataclass(frozen=True, slots=True)
class Due:
    """One update to apply; `depends_on` are workloads of the same host that come first.

    Those of one `group` are applied one after another, whatever hosts they are on.
    """

    update_id: int
    title: str
    host: str
    workload: str
    depends_on: frozenset[str] = field(default_factory=frozenset)
    group: str = ""


@dataclass(frozen=True, slots=True)
class ServerPlan:
    """The updates of all hosts of one server, in order; and what is left for later, each with the reason.

    Of what is due, no more is begun at one time than the `bounds` say.
    """

    server: str
    due: tuple[Due, ...]
    left: tuple[tuple[str, str], ...]
    bounds: Bounds = ONE_BY_ONE


def plan_maintenance(database: Database, now: datetime, bounds: Bounds = ONE_BY_ONE) -> Sequence[ServerPlan]:
    """Ask policy and window again for each approved update, and order what may begin; servers by name."""
    with database.session() as session:
        due = [row for row in UpdateRepository(session).answered() if _is_over(row, now)]
        expected = durations(session, due)
        answers = readiness_of(session, due, now)
        needs = _dependencies(session, due)
        servers = _servers(session)
    by_server: dict[str, list[tuple[Update, Readiness]]] = {}
    for row in due:
        by_server.setdefault(servers[row.host_name], []).append((row, answers[row.id]))
    return [
        _server_plan(server, by_server[server], needs, expected, now, bounds=bounds)
        for server in sorted(by_server)
    ]


def _servers(session: Session) -> Mapping[str, str]:
    """By host, the server that it stands on."""
    rows = session.execute(
        select(ContainerHost.name, Server.name).join(Server, Server.id == ContainerHost.server_id)
    )
    return dict(rows.tuples().all())


def _is_over(row: Update, now: datetime) -> bool:
    return row.snoozed_until is None or row.snoozed_until <= now


def _server_plan(
    server: str,
    ready: Sequence[tuple[Update, Readiness]],
    needs: Mapping[int, frozenset[str]],
    expected: Mapping[int, timedelta],
    now: datetime,
    *,
    bounds: Bounds,
) -> ServerPlan:
    rows = {_address(row, row.workload): row for row, _ in ready}
    waiting = [(title_of(row), said.reason) for row, said in ready if not said.go]
    going = [(row, said) for row, said in ready if said.go]
    planned = [
        PlannedUpdate(
            key=_address(row, row.workload),
            approved_at=row.approved_at or row.created_at,
            duration=expected[row.id],
            urgency=row.urgency,
            depends_on=frozenset(_address(row, each) for each in needs[row.id]),
            closes_at=said.closes_at,
            host=row.host_name,
        )
        for row, said in going
    ]
    done = schedule(planned, now, bounds=bounds)
    due = (rows[start.update.key] for start in done.starts)
    return ServerPlan(
        server,
        tuple(_due(row, needs[row.id]) for row in due),
        (*waiting, *((title_of(rows[each.key]), finding.reason) for each, finding in done.left)),
        bounds,
    )


def _due(row: Update, needs: frozenset[str]) -> Due:
    return Due(row.id, title_of(row), row.host_name, row.workload, needs, row.policy.get("group", ""))


def _address(row: Update, workload: str) -> str:
    return f"{row.host_name}/{workload}"


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
