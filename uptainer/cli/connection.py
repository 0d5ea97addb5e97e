"""What a command works on: the database and the Prefect server of the running system, its engines, and who asks."""

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from psycopg import errors as pg
from sqlalchemy.exc import ProgrammingError

from uptainer.backups.local import local_stores
from uptainer.backups.store import BackupStore, Stores
from uptainer.console import prefect_server, record
from uptainer.core.enums import ConnectionType
from uptainer.core.errors import RefusedError, UnreachableError
from uptainer.core.secrets import HostSecret
from uptainer.core.settings import Settings
from uptainer.core.workloads import HostAddress
from uptainer.fleet.updating import Opens, backups_below, opener
from uptainer.runtimes import connections
from uptainer.runtimes.port import Runtime
from uptainer.store.database import Database
from uptainer.store.repositories.audit import Actor

_NO_TABLES = (pg.UndefinedTable, pg.InvalidSchemaName, pg.UndefinedColumn)


@contextmanager
def database(settings: Settings | None = None) -> Iterator[Database]:
    """The database of the settings, else that of the running system.

    Raises:
        UnreachableError: there is neither, or it does not answer.
        RefusedError: it is there, and its tables are not those of this version.
    """
    opened = Database(record.database_url(settings or Settings.read()))
    try:
        yield opened
    except ProgrammingError as error:
        if not isinstance(error.orig, _NO_TABLES):
            raise
        raise RefusedError(
            "the database does not have the tables of this version of Uptainer: `uptainer up` brings them up to date"
        ) from error
    finally:
        opened.dispose()


def connect(address: HostAddress) -> Runtime:
    """The host's open runtime, proved with what its block holds, which the running system's server keeps.

    Raises:
        NotFoundError: it names a block that is not there.
        UptainerError: what `uptainer.runtimes.connections.connect` raises.
    """
    return connections.connect(address, secret(address))


@cache
def secret(address: HostAddress) -> HostSecret | None:
    """A socket of this machine needs none, and so no server that runs."""
    if address.block is None or address.connection is ConnectionType.UNIX:
        return None
    use_server()
    from uptainer.cli.prefect.host_blocks import host_secret  # noqa: PLC0415 -- it reads the environment that was just set

    return host_secret(address)


def engines(database: Database) -> Opens:
    return opener(database, connect)


def stores(settings: Settings) -> Stores:
    """The local directory needs no server that runs; each other store is in a block."""
    local = local_stores(backups_below(settings))

    def opened(block: str) -> BackupStore:
        if not block:
            return local(block)
        use_server(settings)
        from uptainer.cli.prefect.stores import backup_store  # noqa: PLC0415 -- it reads the environment that was just set

        return backup_store(block)

    return opened


def caller() -> Actor:
    """The operating system's account that runs this command: established, and not typed."""
    number = os.getuid()
    try:
        return Actor(pwd.getpwuid(number).pw_name, authenticated=True)
    except KeyError:
        return Actor(f"uid {number}", authenticated=True)


def use_server(settings: Settings | None = None) -> str:
    """Make Prefect's client, which is imported after this, speak to the running system's server; gives its address.

    Where nothing runs on this data directory, PREFECT_API_URL may name a server that has the deployments.

    Raises:
        UnreachableError: there is neither.
    """
    chosen = settings or Settings.read()
    elsewhere = os.environ.get("PREFECT_API_URL")
    try:
        url = record.read(chosen.data_dir).url
    except UnreachableError:
        if not elsewhere:
            raise
        return elsewhere.removesuffix("/api")
    environment = prefect_server.environment(chosen, prefect_database_url=None)
    page = chosen.public_url or url
    prefect_server.adopt({**environment, "PREFECT_API_URL": f"{url}/api", "PREFECT_UI_URL": page})
    return url
