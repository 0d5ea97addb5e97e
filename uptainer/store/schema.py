"""The schema's version: brought up, taken down, and refused where it is newer than this Uptainer.

Each call is one transaction under an advisory lock, so that two that start at once do it once, and one that dies
leaves nothing half done.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, func, select, text

from uptainer.core.errors import InvalidInputError, RefusedError
from uptainer.store.database import create_engine_for, lock_number, plain_errors
from uptainer.store.models import SCHEMA

_LOCK = lock_number("schema")


def upgrade(url: str, revision: str = "head") -> None:
    """Bring the schema up to `revision`, creating it where there is none.

    Raises:
        RefusedError: a newer Uptainer has been at this database.
        UnreachableError, AccessDeniedError.
    """
    with _locked(url) as connection:
        _refuse_newer(connection)
        connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
        command.upgrade(_config(connection), revision)


def downgrade(url: str, revision: str) -> None:
    """Take the schema down to `revision`; `base` leaves nothing of it behind, data included."""
    with _locked(url) as connection:
        _refuse_newer(connection)
        if _revision(connection) is not None:
            command.downgrade(_config(connection), revision)
        if _revision(connection) is None:
            connection.execute(text(f"DROP TABLE IF EXISTS {SCHEMA}.alembic_version"))
            connection.execute(text(f"DROP SCHEMA IF EXISTS {SCHEMA} RESTRICT"))


def current(url: str) -> str | None:
    """The revision that the database is at, or None before the first upgrade."""
    engine = create_engine_for(url, pooled=False)
    with plain_errors(), engine.connect() as connection:
        return _revision(connection)


def head() -> str:
    """The newest revision that this Uptainer knows."""
    newest = ScriptDirectory.from_config(_config()).get_current_head()
    if newest is None:
        raise InvalidInputError("this Uptainer was installed without its migrations: install it again")
    return newest


@contextmanager
def _locked(url: str) -> Iterator[Connection]:
    engine = create_engine_for(url, pooled=False)
    with plain_errors(), engine.begin() as connection:
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
        yield connection


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", "uptainer.store:migrations")
    config.attributes["connection"] = connection
    return config


def _revision(connection: Connection) -> str | None:
    context = MigrationContext.configure(connection, opts={"version_table_schema": SCHEMA})
    return context.get_current_revision()


def _refuse_newer(connection: Connection) -> None:
    revision = _revision(connection)
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if revision is not None and revision not in known:
        raise RefusedError(
            f"the database is at revision {revision}, which this Uptainer does not know: a newer one has been at it. "
            "Use that one, or restore a backup from before"
        )
