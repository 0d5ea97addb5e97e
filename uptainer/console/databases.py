"""Which databases a start uses: ours, and Prefect's own beside it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import URL, Connection, make_url, text
from sqlalchemy.exc import ProgrammingError

from uptainer.core.errors import AccessDeniedError, UnsupportedError
from uptainer.core.settings import Settings
from uptainer.store.database import create_engine_for, plain_errors
from uptainer.store.embedded import EmbeddedPostgres

OWN_CHOICE = "name another one with UPTAINER_PREFECT_DATABASE_URL"


@dataclass(frozen=True, slots=True)
class Databases:
    """`prefect_url` is None for Prefect's default, SQLite in the data directory; `embedded` for one of the user's."""

    url: str = field(repr=False)
    prefect_url: str | None = field(repr=False)
    embedded: EmbeddedPostgres | None = None


def beside(url: str) -> str:
    """The name of Prefect's database beside ours: Prefect and we never share one."""
    address = make_url(url)
    return f"{address.database or address.username}_prefect"


def prefect_database(settings: Settings, url: str) -> str:
    """The address of Prefect's own database on a PostgreSQL of the user's, which is made where it is missing.

    Raises:
        AccessDeniedError: it is not there, and this user may not make one.
        UnsupportedError: the PostgreSQL lacks an extension that Prefect's tables need.
        UnreachableError.
    """
    if settings.prefect_database_url is not None:
        return _asynchronous(make_url(settings.prefect_database_url.get_secret_value()))
    name = beside(url)
    engine = create_engine_for(url, pooled=False).execution_options(isolation_level="AUTOCOMMIT")
    with plain_errors(), engine.connect() as connection:
        _check_extension(connection)
        if not connection.scalar(text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": name}):
            _create(connection, name)
    return _asynchronous(make_url(url).set(database=name))


def _check_extension(connection: Connection) -> None:
    if not connection.scalar(text("SELECT 1 FROM pg_available_extensions WHERE name = 'pg_trgm'")):
        raise UnsupportedError(
            "the PostgreSQL at UPTAINER_DATABASE_URL has no extension pg_trgm, which Prefect's own tables need: "
            f"install it (it is in postgresql-contrib), or {OWN_CHOICE}"
        )


def _create(connection: Connection, name: str) -> None:
    quoted = connection.dialect.identifier_preparer.quote(name)
    try:
        connection.execute(text(f"CREATE DATABASE {quoted}"))
    except ProgrammingError as error:
        raise AccessDeniedError(
            f"Prefect needs the database {name} beside ours, and this user may not create it: "
            f"have it created (CREATE DATABASE {quoted} OWNER ...), or {OWN_CHOICE}"
        ) from error


def _asynchronous(address: URL) -> str:
    driver = {
        "postgresql": "postgresql+asyncpg",
        "postgres": "postgresql+asyncpg",
        "sqlite": "sqlite+aiosqlite",
    }
    name = driver.get(address.drivername.partition("+")[0], address.drivername)
    return address.set(drivername=name).render_as_string(hide_password=False)


@contextmanager
def opened(settings: Settings) -> Iterator[Databases]:
    """The databases of this start: those of the settings, else the embedded PostgreSQL, stopped on leaving.

    Raises:
        UptainerError: there is none, or it does not let us in; the message says what to do.
    """
    if settings.database_url is not None:
        url = settings.database_url.get_secret_value()
        yield Databases(url, prefect_database(settings, url))
        return
    embedded = EmbeddedPostgres(settings.data_dir / "postgres")
    try:
        own = settings.prefect_database_url
        url = embedded.start()
        yield Databases(url, _asynchronous(make_url(own.get_secret_value())) if own else None, embedded)
    finally:
        embedded.stop()
