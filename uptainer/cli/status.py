"""`uptainer status`."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
import typer
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from uptainer.cli.output import print_json, print_table
from uptainer.cli.rows import cell
from uptainer.console import prefect_server, record
from uptainer.core.enums import UpdateStatus
from uptainer.core.errors import AccessDeniedError
from uptainer.core.settings import Settings
from uptainer.scanning.server import TrivyServer
from uptainer.store.database import Database
from uptainer.store.models import Container, ContainerHost, Update
from uptainer.store.postmaster import Postmaster

WAITING = (UpdateStatus.PROPOSED, UpdateStatus.AWAITING_APPROVAL)


@dataclass(frozen=True, slots=True)
class Process:
    name: str
    pid: int


@dataclass(frozen=True, slots=True)
class Counts:
    hosts: int
    unreachable_hosts: int
    disabled_hosts: int
    containers: int
    awaiting_approval: int


@dataclass(frozen=True, slots=True)
class NextRun:
    deployment: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Status:
    url: str
    since: datetime
    processes: list[Process]
    counts: Counts
    next_runs: list[NextRun]


def show(settings: Settings, *, as_json: bool) -> None:
    """Print the state of the running system.

    Raises:
        UnreachableError: none is running on this data directory.
    """
    found = read(settings)
    if as_json:
        print_json(found)
        return
    counts = found.counts
    typer.echo(f"Uptainer is up since {found.since:%Y-%m-%d %H:%M} UTC; its page is {found.url}")
    typer.echo(
        f"Hosts: {counts.hosts} ({counts.unreachable_hosts} unreachable, {counts.disabled_hosts} switched off). "
        f"Containers: {counts.containers}. "
        f"Updates that wait for an answer: {counts.awaiting_approval}\n"
    )
    print_table(["process", "pid"], [(each.name, str(each.pid)) for each in found.processes])
    typer.echo()
    print_table(["next run", "at (UTC)"], [(each.deployment, cell(each.at)) for each in found.next_runs])


def read(settings: Settings) -> Status:
    running = record.read(settings.data_dir)
    database = Database(running.database_url.get_secret_value())
    with database.session() as session:
        counts = _counts(session)
    return Status(
        running.url, running.started_at, _processes(running, settings), counts, _next_runs(running.url)
    )


def _processes(running: record.Record, settings: Settings) -> list[Process]:
    """Those that the console wrote down, and those that may have been started anew since."""
    postgres = Postmaster.of(settings.data_dir / "postgres")
    trivy = TrivyServer(settings.data_dir).running()
    later = [("PostgreSQL", postgres.pid)] if postgres else []
    later += [("Trivy server", trivy.pid)] if trivy else []
    return [Process(name, pid) for name, pid in [*running.processes.items(), *later]]


def _counts(session: Session) -> Counts:
    def count(*conditions: ColumnElement[bool]) -> int:
        return session.scalar(select(func.count()).where(*conditions)) or 0

    there = ContainerHost.removed_at.is_(None)
    return Counts(
        hosts=count(there),
        unreachable_hosts=count(there, ContainerHost.reachable.is_(False), ContainerHost.enabled.is_(True)),
        disabled_hosts=count(there, ContainerHost.enabled.is_(False)),
        containers=count(Container.vanished_at.is_(None)),
        awaiting_approval=count(Update.status.in_(WAITING)),
    )


def _next_runs(url: str) -> list[NextRun]:
    """The next run of each deployment that has a schedule, the soonest first."""
    with prefect_server.client() as client:
        deployments = _answer(client.post(f"{url}/api/deployments/filter", json={}))
        names = {each["id"]: each["name"] for each in deployments}
        wanted = {"state": {"type": {"any_": ["SCHEDULED"]}}, "deployment_id": {"any_": list(names)}}
        runs = _answer(
            client.post(
                f"{url}/api/flow_runs/filter", json={"flow_runs": wanted, "sort": "EXPECTED_START_TIME_ASC"}
            )
        )
    soonest: dict[str, datetime] = {}
    for run in runs:
        soonest.setdefault(names[run["deployment_id"]], datetime.fromisoformat(run["expected_start_time"]))
    return [NextRun(name, at) for name, at in soonest.items()]


def _answer(response: httpx.Response) -> list[dict[str, Any]]:
    """Raises AccessDeniedError where the server wants a login that the environment does not give."""
    if response.status_code == httpx.codes.UNAUTHORIZED:
        raise AccessDeniedError("the Prefect server wants a login: set PREFECT_API_AUTH_STRING=user:password")
    return list(response.raise_for_status().json())
