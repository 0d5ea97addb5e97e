"""Who may work on a workload now: locks of the database, on the connection that the journal is written on.

They end with the connection, and the connection with its process. Whoever has lost the lock can therefore write
nothing any more, and a process that died is told from one that works by trying to take its lock.

A pooler between us and PostgreSQL must pool by session (pgbouncer: `pool_mode = session`).
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, func, select, text
from sqlalchemy.orm import Session

from uptainer.core.errors import BusyError
from uptainer.store.database import Database, create_engine_for, let_go, lock_number, plain_errors
from uptainer.store.models import Container, ContainerHost

_NOTICE_A_DEAD_MACHINE = (
    "SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3"
)
"""The server drops the locks of a machine that vanished after a minute, rather than after two hours."""


def workload_lock(host: str, workload: str) -> str:
    """The key under which everything that changes a workload excludes everything else."""
    return f"workload {host}/{workload}"


@contextmanager
def claim_workload(database: Database, host: str, key: str) -> Iterator[Connection]:
    """Hold what is replaced as one with the container `key`, for the length of the block; yields the connection that
    holds it.

    Raises:
        BusyError: another run works on it.
        UnreachableError: the database did not answer.
    """
    with database.session() as session:
        workload = _workload_of(session, host, key)
    engine = create_engine_for(database.url, pooled=False)
    with plain_errors():
        connection = engine.connect()
    try:
        with plain_errors():
            connection.execute(text(_NOTICE_A_DEAD_MACHINE))
            _take(
                connection,
                workload_lock(host, workload),
                f"{workload} on {host} is being worked on by another run",
            )
        yield connection
    finally:
        let_go(connection)
        engine.dispose()


def claim_others(connection: Connection, host: str, keys: Iterable[str], reason: str) -> None:
    """Hold these as well, for as long as the connection lives; `reason` says what they are wanted for.

    Raises:
        BusyError: another run works on one of them.
        UnreachableError: the database did not answer.
    """
    with plain_errors():
        with Session(connection) as session, session.begin():
            workloads = {_workload_of(session, host, key) for key in keys}
        for workload in sorted(workloads):
            key = workload_lock(host, workload)
            _take(connection, key, f"{workload} on {host}, {reason}, is being worked on by another run")


def _workload_of(session: Session, host: str, key: str) -> str:
    """A container that was never recorded stands for itself."""
    wanted = (
        select(Container.workload)
        .join(ContainerHost, ContainerHost.id == Container.host_id)
        .where(ContainerHost.name == host, Container.key == key)
    )
    return session.scalars(wanted).one_or_none() or key


def take_slots(connection: Connection, host: str, host_slots: int, server: str, server_slots: int) -> None:
    """Take one of the host's slots and one of its server's, for as long as the connection lives.

    Raises:
        BusyError: as many updates as may run there at once are running.
    """
    with plain_errors():
        _take_one_of(connection, f"host {host}", host_slots)
        _take_one_of(connection, f"server {server}", server_slots)


def _take_one_of(connection: Connection, what: str, slots: int) -> None:
    if not any(_try(connection, f"{what} slot {number}") for number in range(slots)):
        raise BusyError(
            f"{slots} updates run on {what} already, which is as many as may: wait for one to finish"
        )


def _take(connection: Connection, key: str, otherwise: str) -> None:
    if not _try(connection, key):
        raise BusyError(f"{otherwise}: wait for it to finish")


def _try(connection: Connection, key: str) -> bool:
    held = connection.scalar(select(func.pg_try_advisory_lock(lock_number(key))))
    connection.commit()
    return bool(held)
