"""What `uptainer host ...` does."""

import re
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

import typer

from uptainer.cli import connection
from uptainer.cli.rows import print_rows
from uptainer.core.clock import utc_now
from uptainer.core.enums import ConnectionType, RuntimeType
from uptainer.core.errors import InvalidInputError, UnreachableError, UptainerError
from uptainer.core.workloads import HostAddress
from uptainer.fleet.discovery import discover_host
from uptainer.runtimes.connections import connect
from uptainer.store.database import Database
from uptainer.store.models import ContainerHost
from uptainer.store.repositories.containers import ContainerRepository
from uptainer.store.repositories.hosts import HostRepository

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_CONNECTIONS = {"unix": ConnectionType.UNIX, "tcp": ConnectionType.TCP}
_HINT = "write it as unix:///path/to/docker.sock, or tcp://127.0.0.1:PORT for an engine on this machine"


@dataclass(frozen=True, slots=True)
class HostLine:
    """`answers` is None where it was not tried yet; `why` says why it does not."""

    name: str
    url: str
    answers: bool | None
    engine: str
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


def add(
    name: str,
    url: str | None,
    *,
    block: str | None = None,
    timeout: float | None = None,
    server: str | None = None,
    test: bool = True,
) -> None:
    address = _from_block(block, name) if block and not url else _from_url(name, url, block)
    if timeout is not None:
        address = HostAddress(
            name, address.runtime, address.connection, address.url, address.block, timeout=timeout
        )
    said = describe(address) if test else "it was not tried"
    with connection.database() as database, database.session() as session:
        HostRepository(session).add(address, server, actor=connection.caller())
    typer.echo(f"Added host {name}: {said}.")
    typer.echo(f"What runs on it is read within 5 minutes, or now: uptainer host sync {name}")


def show_all(*, as_json: bool) -> None:
    with connection.database() as database, database.session() as session:
        views = ContainerRepository(session).listing()
        counts = [view.host.id for view in views]
        lines = [_line(host, counts.count(host.id)) for host in HostRepository(session).all()]
    columns = ("name", "url", "answers", "engine", "containers", "last_seen", "why")
    nothing = "There are no hosts yet: uptainer host add NAME unix:///var/run/docker.sock"
    print_rows(lines, columns, as_json=as_json, nothing=nothing)


def test(name: str) -> None:
    with connection.database() as database, database.session() as session:
        address = HostRepository.address(HostRepository(session).by_name(name))
    typer.echo(f"{name}: {describe(address)}.")


def sync(name: str | None, *, as_json: bool) -> None:
    """Each host, one after the other; those that do not answer are said, and end it with an error."""
    with connection.database() as database:
        addresses = _chosen(database, name)
        lines = [_sync(database, address) for address in addresses]
    if as_json:
        print_rows(lines, (), as_json=True, nothing="")
    else:
        for line in lines:
            typer.echo(_said(line))
        if not lines:
            typer.echo("There is no host to read: uptainer host add NAME unix:///var/run/docker.sock")
    failed = [line.host for line in lines if line.error]
    if failed:
        raise UnreachableError(f"{len(failed)} of {len(lines)} hosts could not be read: {', '.join(failed)}")


def remove(name: str, *, force: bool) -> None:
    with connection.database() as database, database.session() as session:
        HostRepository(session).remove(name, utc_now(), force=force, actor=connection.caller())
    typer.echo(f"Host {name} is out of the fleet; its containers run on, and their history is kept.")


def describe(address: HostAddress) -> str:
    """What answers there, in a sentence's end; raises what `connect` does."""
    with closing(connect(address)) as runtime:
        engine, containers = runtime.engine(), runtime.containers()
    running = sum(each.status == "running" for each in containers)
    return (
        f"Docker {engine.version} (API {engine.api_version}, {engine.platform}) answers at {address.url}, "
        f"with {len(containers)} containers, {running} of them running"
    )


def _from_block(block: str, name: str) -> HostAddress:
    connection.use_server()
    from uptainer.cli.prefect.stores import docker_host  # noqa: PLC0415 -- it reads the environment that was just set

    return docker_host(block, _checked(name))


def _from_url(name: str, url: str | None, block: str | None) -> HostAddress:
    if url is None or block is not None:
        raise InvalidInputError(f"give either the engine's URL or --block: {_HINT}")
    kind = _CONNECTIONS.get(urlsplit(url).scheme)
    if kind is None or not (urlsplit(url).path if kind is ConnectionType.UNIX else urlsplit(url).netloc):
        raise InvalidInputError(f"{url!r} is not an engine's address: {_HINT}")
    return HostAddress(_checked(name), RuntimeType.DOCKER, kind, url)


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise InvalidInputError(
            f"{name!r} is not a host's name: letters, digits, and `.`, `_`, `-` between them"
        )
    return name


def _line(host: ContainerHost, containers: int) -> HostLine:
    silent = host.reachable is False
    return HostLine(
        name=host.name,
        url=host.url,
        answers=host.reachable,
        engine=f"Docker {host.engine['version']}" if host.engine else "",
        containers=containers,
        last_seen=host.last_seen_at,
        why=(host.unreachable_reason or "") if silent else "" if host.enabled else "switched off",
        block=host.block,
        enabled=host.enabled,
    )


def _chosen(database: Database, name: str | None) -> Sequence[HostAddress]:
    with database.session() as session:
        hosts = HostRepository(session)
        rows = [hosts.by_name(name)] if name else hosts.all(enabled_only=True)
        return [HostRepository.address(row) for row in rows]


def _sync(database: Database, address: HostAddress) -> SyncLine:
    try:
        report = discover_host(database, address, connect)
    except UptainerError as error:
        return SyncLine(address.name, None, error=str(error))
    found = report.recorded
    return SyncLine(address.name, report.containers, found.added, found.changed, found.vanished)


def _said(line: SyncLine) -> str:
    if line.error:
        return f"{line.host}: {line.error}"
    parts = [
        f"{len(names)} {what} ({', '.join(names)})"
        for what, names in (("new", line.added), ("changed", line.changed), ("gone", line.vanished))
        if names
    ]
    return f"{line.host}: {line.containers} containers; {', '.join(parts) or 'nothing changed'}"
