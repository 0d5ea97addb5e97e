"""Connections to the one PostgreSQL: transactions, and locks that end with the process that holds them."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg
from psycopg import errors as pg
from sqlalchemy import Connection, Engine, create_engine, func, make_url, select, text
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from uptainer.core.errors import (
    AccessDeniedError,
    BusyError,
    InvalidInputError,
    UnreachableError,
    UptainerError,
)
from uptainer.store.documents import dump

_DIALECTS = ("postgresql", "postgres", "postgresql+psycopg")
CONNECT_TIMEOUT_SECONDS = 10


def create_engine_for(url: str, *, pooled: bool = True) -> Engine:
    """An engine for `postgresql://...`; nothing is connected yet.

    Raises:
        InvalidInputError: it is no address of a PostgreSQL.
    """
    try:
        address = make_url(url.replace("postgres://", "postgresql://", 1))
    except (ArgumentError, ValueError):
        # What the parser says repeats a part of the URL, which may be the password.
        raise InvalidInputError(
            "the database's URL is not a URL: write postgresql://user:password@host:port/name"
        ) from None
    if address.drivername not in _DIALECTS:
        raise InvalidInputError(f"the database must be a PostgreSQL, and {address.drivername}:// is not one")
    return create_engine(
        address.set(drivername="postgresql+psycopg"),
        pool_pre_ping=pooled,
        poolclass=None if pooled else NullPool,
        json_serializer=dump,
        connect_args={
            "application_name": "uptainer",
            "connect_timeout": CONNECT_TIMEOUT_SECONDS,
            "options": "-c timezone=UTC",
        },
    )


class Database:
    """One engine, and sessions that are one transaction each."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = create_engine_for(url)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Committed at the end, rolled back on any error. Rows stay readable after it.

        Raises:
            UnreachableError: the database did not answer, or went away in the middle.
            BusyError: another transaction was in the way; trying again helps.
        """
        with plain_errors(), Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def lock(self, key: str) -> Iterator[None]:
        with advisory_lock(self.engine, key):
            yield

    @contextmanager
    def turn(self, key: str) -> Iterator[Session]:
        """A session that begins when nobody else has a turn at `key`, and has it to its end.

        Raises:
            BusyError: others had it for a minute.
            UnreachableError: as `session`.
        """
        with self.session() as session:
            session.execute(text("SET LOCAL lock_timeout = '60s'"))
            session.execute(select(func.pg_advisory_xact_lock(lock_number(key))))
            yield session

    def dispose(self) -> None:
        self.engine.dispose()


@contextmanager
def advisory_lock(url_or_engine: str | Engine, key: str) -> Iterator[None]:
    """Hold `key` for the length of the block, on a connection of its own; the server frees it when the process dies.

    Raises:
        BusyError: somebody else holds it.
    """
    address = url_or_engine if isinstance(url_or_engine, str) else _address(url_or_engine)
    engine = create_engine_for(address, pooled=False).execution_options(isolation_level="AUTOCOMMIT")
    with plain_errors():
        connection = engine.connect()
    try:
        with plain_errors():
            held = connection.scalar(select(func.pg_try_advisory_lock(lock_number(key))))
        if not held:
            raise BusyError(f"{key} is being worked on by another run: wait for it to finish")
        yield
    finally:
        let_go(connection)


def let_go(connection: Connection) -> None:
    """Free its advisory locks, and close it. To close alone frees them when the server comes to notice it, a moment after."""
    with suppress(DBAPIError):
        connection.rollback()
        if not connection.invalidated:
            connection.execute(select(func.pg_advisory_unlock_all()))
    with suppress(DBAPIError):
        connection.close()


def lock_number(key: str) -> int:
    """64 bits of the key's hash, signed, as PostgreSQL's advisory locks are numbered."""
    return int.from_bytes(hashlib.sha256(f"uptainer:{key}".encode()).digest()[:8], signed=True)


@contextmanager
def plain_errors() -> Iterator[None]:
    """The driver's errors, as ours, where they say something of the connection and not of our code."""
    try:
        yield
    except DBAPIError as error:
        ours = _translated(error)
        if ours is None:
            raise
        raise ours from error


def _translated(error: DBAPIError) -> UptainerError | None:
    cause = error.orig
    if isinstance(cause, (pg.DeadlockDetected, pg.SerializationFailure, pg.LockNotAvailable)):
        return BusyError("the database was busy with the same rows: try again")
    if isinstance(
        cause, (pg.InvalidPassword, pg.InvalidAuthorizationSpecification, pg.InsufficientPrivilege)
    ):
        return AccessDeniedError(f"the database refused us: {_first_line(cause)}")
    if isinstance(cause, pg.TooManyConnections) or error.connection_invalidated:
        return UnreachableError(f"the database did not answer: {_first_line(cause)}")
    if isinstance(cause, psycopg.OperationalError) and (cause.sqlstate or "08")[:2] in {"08", "57", "53"}:
        return UnreachableError(f"the database did not answer: {_first_line(cause)}")
    return None


def _first_line(cause: BaseException | None) -> str:
    return str(cause).strip().partition("\n")[0]


def _address(engine: Engine) -> str:
    return engine.url.render_as_string(hide_password=False)
