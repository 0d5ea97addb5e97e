"""What `uptainer host ...` does."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from uptainer.cli import connection
from uptainer.cli.host_adding import describe
from uptainer.cli.rows import print_rows
from uptainer.cli.saying import say
from uptainer.core.clock import utc_now
from uptainer.core.enums import ConnectionType, RuntimeType
from uptainer.core.errors import UnreachableError, UptainerError
from uptainer.core.workloads import HostAddress
from uptainer.fleet.discovery import discover_host
from uptainer.runtimes.machine import TITLES
from uptainer.store.database import Database
from uptainer.store.models import ContainerHost
from uptainer.store.repositories.containers import ContainerRepository
from uptainer.store.repositories.hosts import HostRepository

_HINT = "uptainer host add NAME unix:///var/run/docker.sock (see uptainer host add --help for other ways)"


@dataclass(frozen=True, slots=True)
class HostLine:
    """`answers` is None where it was not tried yet, or is switched off; `why` says why it does not."""

    name: str
    runtime: RuntimeType
    connection: ConnectionType
    url: str
    answers: bool | None
    engine: str
    namespaces: str
    containers: int
    last_seen: datetime | None
    why: str
    block: str | None
    enabled: bool


@dataclass(frozen=True, slots=True)
class SyncLine:
    """What one discovery found; `error` says why it found nothing out."""

    host: str
    containers: int | None
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    vanished: tuple[str, ...] = ()
    error: str = ""


def show_all(*, as_json: bool) -> None:
    with connection.database() as database, database.session() as session:
        views = ContainerRepository(session).listing()
        counts = [view.host.id for view in views]
        lines = [_line(host, counts.count(host.id)) for host in HostRepository(session).all()]
    columns = ["name", "url", "answers", "engine", "containers", "last_seen", "why"]
    if any(line.namespaces for line in lines):
        columns.insert(columns.index("containers"), "namespaces")
    print_rows(lines, columns, as_json=as_json, nothing=f"There are no hosts yet: {_HINT}")


def test(name: str) -> None:
    with connection.database() as database, database.session() as session:
        row = HostRepository(session).by_name(name)
    say(f"{name}: {describe(HostRepository.address(row), row)}.")


def sync(name: str | None, *, as_json: bool) -> None:
    """Each host, one after the other; those that do not answer are said, and end it with an error."""
    with connection.database() as database:
        addresses = _chosen(database, name)
        lines = [_sync(database, address) for address in addresses]
    if as_json:
        print_rows(lines, (), as_json=True, nothing="")
    else:
        for line in lines:
            say(_said(line))
        if not lines:
            say(f"There is no host to read: {_HINT}")
    failed = [line.host for line in lines if line.error]
    if failed:
        raise UnreachableError(f"{len(failed)} of {len(lines)} hosts could not be read: {', '.join(failed)}")


def remove(name: str, *, force: bool) -> None:
    with connection.database() as database, database.session() as session:
        HostRepository(session).remove(name, utc_now(), force=force, actor=connection.caller())
    say(f"Host {name} is out of the fleet; its containers run on, and their history is kept.")


def disable(name: str, reason: str) -> None:
    with connection.database() as database, database.session() as session:
        HostRepository(session).disable(name, reason, connection.caller())
    say(
        f"Host {name} is switched off. What was begun there is brought to its end, and nothing else is begun."
    )


def enable(name: str, reason: str) -> None:
    with connection.database() as database, database.session() as session:
        changed = HostRepository(session).enable(name, reason, connection.caller())
    said = f"is in use again, and read by the next discovery: uptainer host sync {name} reads it now."
    say(f"Host {name} {said if changed else 'is in use; nothing was changed.'}")


def _line(host: ContainerHost, containers: int) -> HostLine:
    silent = host.reachable is False
    off = f"switched off: {host.disabled_reason}"
    return HostLine(
        name=host.name,
        runtime=host.runtime,
        connection=host.connection,
        url=host.url,
        answers=host.reachable if host.enabled else None,
        engine=f"{TITLES[host.runtime]} {host.engine['version']}" if host.engine else "",
        namespaces=_namespaces(host),
        containers=containers,
        last_seen=host.last_seen_at,
        why=off if not host.enabled else (host.unreachable_reason or "") if silent else "",
        block=host.block,
        enabled=host.enabled,
    )


def _namespaces(host: ContainerHost) -> str:
    """As globs, those that are left out behind a minus; "" for all, and for what has none."""
    return ", ".join([*host.namespaces, *(f"-{each}" for each in host.excluded_namespaces)])


def _chosen(database: Database, name: str | None) -> Sequence[HostAddress]:
    with database.session() as session:
        hosts = HostRepository(session)
        rows = [hosts.by_name(name)] if name else hosts.all(enabled_only=True)
        return [HostRepository.address(row) for row in rows]


def _sync(database: Database, address: HostAddress) -> SyncLine:
    try:
        report = discover_host(database, address, connection.connect)
    except UptainerError as error:
        return SyncLine(address.name, None, error=str(error))
    found = report.recorded
    return SyncLine(address.name, report.containers, found.added, found.changed, found.vanished)


def _said(line: SyncLine) -> str:
    if line.error:
        return f"{line.host}: {line.error.removeprefix(f'{line.host}: ')}"
    parts = [
        f"{len(names)} {what} ({', '.join(names)})"
        for what, names in (("new", line.added), ("changed", line.changed), ("gone", line.vanished))
        if names
    ]
    return f"{line.host}: {line.containers} containers; {', '.join(parts) or 'nothing changed'}"
