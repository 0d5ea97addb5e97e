"""What `uptainer containers` and `uptainer check` do."""

from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from uptainer.cli import connection
from uptainer.cli.output import print_json
from uptainer.cli.policy_fields import FieldLine, fields_of
from uptainer.cli.rows import heading, print_facts, print_rows
from uptainer.cli.saying import say
from uptainer.fleet.deciding import title_of
from uptainer.fleet.listing import Line, list_fleet
from uptainer.fleet.policies import PolicyBook
from uptainer.store.database import Database
from uptainer.store.repositories.containers import ContainerRepository, ContainerView
from uptainer.store.repositories.health import HealthRepository
from uptainer.store.repositories.hosts import HostRepository
from uptainer.store.repositories.updates import UpdateRepository

COLUMNS = ("workload", "status", "running", "version", "candidate", "why")
NOTHING = "No container is known that matches: `uptainer host sync` reads the hosts now"


@dataclass(frozen=True, slots=True)
class HealthLine:
    """How it was over a time; `since` to `until`, in `probes` rounds."""

    health: str
    since: datetime
    until: datetime
    rounds: int
    why: str


@dataclass(frozen=True, slots=True)
class UpdateLine:
    id: int
    what: str
    status: str
    at: datetime
    why: str


@dataclass(frozen=True, slots=True)
class Details:
    """One container whole. `checked` is None where it was never looked up."""

    workload: str
    status: str
    project: str | None
    image: str
    version: str
    digest: str
    image_id: str
    platform: str | None
    started: datetime | None
    restarts: int
    ports: tuple[str, ...]
    networks: tuple[str, ...]
    mounts: tuple[str, ...]
    candidate: str
    why: str
    checked: datetime | None
    health: tuple[HealthLine, ...]
    updates: tuple[UpdateLine, ...]
    policy: tuple[FieldLine, ...]
    policy_faults: tuple[str, ...]


def show_all(*, host: str | None, project: str | None, pattern: str | None, as_json: bool) -> None:
    with connection.database() as database:
        lines = _lines(database, host, project, pattern)
    print_rows(lines, COLUMNS, as_json=as_json, nothing=NOTHING)


def show(address: str, *, as_json: bool) -> None:
    with connection.database() as database, database.session() as session:
        view = ContainerRepository(session).by_address(address, with_vanished=True)
        found = _details(session, view)
    if as_json:
        print_json(asdict(found))
        return
    skipped = {"health", "updates", "policy", "policy_faults"}
    print_facts({name: value for name, value in asdict(found).items() if name not in skipped})
    heading("Health")
    print_rows(
        found.health, ("health", "since", "until", "rounds", "why"), as_json=False, nothing="not probed yet"
    )
    heading("Updates")
    print_rows(found.updates, ("id", "what", "status", "at", "why"), as_json=False, nothing="none so far")
    heading("Policy")
    print_rows(found.policy, ("field", "value", "source"), as_json=False, nothing="")
    for fault in found.policy_faults:
        say(f"fault: {fault}")


def check(address: str | None, *, as_json: bool) -> None:
    """Run the flow `check` on the server, and show the table when it has ended."""
    with connection.database() as database:
        if address is not None:
            address = _exact(database, address)
        connection.use_server()
        from uptainer.cli.prefect import requests  # noqa: PLC0415 -- it reads the environment that was just set

        run = requests.start("check", {"container": address} if address else {})
        said = requests.wait(run, "looking for newer images")
        if not as_json:
            say(said)
        lines = [line for line in _lines(database) if address in {None, line.workload}]
    print_rows(lines, COLUMNS, as_json=as_json, nothing=NOTHING)


def _lines(
    database: Database, host: str | None = None, project: str | None = None, pattern: str | None = None
) -> list[Line]:
    with database.session() as session:
        if host is not None:
            HostRepository(session).by_name(host)
        return list(list_fleet(session, host=host, project=project, pattern=pattern))


def _exact(database: Database, address: str) -> str:
    with database.session() as session:
        return ContainerRepository(session).by_address(address).address


def _details(session: Session, view: ContainerView) -> Details:
    container, image = view.container, view.image
    lines = {line.workload: line for line in list_fleet(session, host=view.host.name)}
    line = lines.get(view.address)
    policy = PolicyBook.load(session).policy_of(view)
    return Details(
        workload=view.address,
        status=line.status if line else str(container.status),
        project=container.project,
        image=container.image_reference,
        version=line.version if line else "",
        digest=image.digest if image else "",
        image_id=container.image_id,
        platform=container.platform,
        started=container.started_at,
        restarts=container.restart_count,
        ports=tuple(_port(each) for each in container.ports),
        networks=tuple(container.networks),
        mounts=tuple(f"{each['name'] or each['source']}:{each['destination']}" for each in container.mounts),
        candidate=line.candidate if line else "",
        why=line.why if line else "it is not there any more",
        checked=view.check.last_checked_at if view.check else None,
        health=_health(session, container.id),
        updates=_updates(session, view),
        policy=fields_of(policy.policy),
        policy_faults=tuple(f"{each.label} {each.value}: {each.reason}" for each in policy.faults),
    )


def _port(port: dict[str, object]) -> str:
    inner = f"{port['container_port']}/{port['protocol']}"
    return f"{port['host_ip'] or '*'}:{port['host_port']}->{inner}" if port["host_port"] else inner


def _health(session: Session, container_id: int) -> tuple[HealthLine, ...]:
    rows = HealthRepository(session).history(container_id, limit=10)
    return tuple(
        HealthLine(str(row.status), row.first_at, row.last_at, row.observations, row.reason) for row in rows
    )


def _updates(session: Session, view: ContainerView) -> tuple[UpdateLine, ...]:
    rows = UpdateRepository(session).history(host=view.host.name, workload=view.container.key, limit=5)
    return tuple(
        UpdateLine(
            row.id,
            title_of(row),
            row.status.replace("_", " "),
            row.finished_at or row.created_at,
            row.status_reason,
        )
        for row in rows
    )
