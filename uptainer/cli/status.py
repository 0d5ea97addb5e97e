"""`uptainer status`."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from uptainer.cli import next_runs
from uptainer.cli.next_runs import NextRun
from uptainer.cli.output import print_json, print_table
from uptainer.cli.rows import cell
from uptainer.cli.saying import say
from uptainer.console import record
from uptainer.core.enums import UpdateStatus
from uptainer.core.errors import UptainerError
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
class Status:
    """`next_runs` is None where the Prefect server did not say."""

    url: str
    since: datetime
    processes: list[Process]
    counts: Counts
    next_runs: list[NextRun] | None


def show(settings: Settings, *, as_json: bool) -> None:
    """Print the state of the running system; what its Prefect server does not say is said at the end.

    Raises:
        UnreachableError: none is running on this data directory.
        UptainerError: as `next_runs.read`, when all else was printed.
    """
    running = record.read(settings.data_dir)
    runs, fault = _next_runs(running.url)
    found = _read(running, settings, runs)
    if as_json:
        print_json(found)
    else:
        _print(found)
    if fault:
        raise fault


def _print(found: Status) -> None:
    counts = found.counts
    say(f"Uptainer is up since {found.since:%Y-%m-%d %H:%M} UTC; its page is {found.url}")
    say(
        f"Hosts: {counts.hosts} ({counts.unreachable_hosts} unreachable, {counts.disabled_hosts} switched off). "
        f"Containers: {counts.containers}. "
        f"Updates that wait for an answer: {counts.awaiting_approval}\n"
    )
    print_table(["process", "pid"], [(each.name, str(each.pid)) for each in found.processes])
    if found.next_runs is not None:
        say()
        print_table(["next run", "at (UTC)"], [(each.deployment, cell(each.at)) for each in found.next_runs])


def _read(running: record.Record, settings: Settings, runs: list[NextRun] | None) -> Status:
    database = Database(running.database_url.get_secret_value())
    try:
        with database.session() as session:
            counts = _counts(session)
    finally:
        database.dispose()
    return Status(running.url, running.started_at, _processes(running, settings), counts, runs)


def _next_runs(url: str) -> tuple[list[NextRun] | None, UptainerError | None]:
    try:
        return next_runs.read(url), None
    except UptainerError as error:
        return None, error


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
