from threading import Barrier

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from tests.contract.store.conftest import Fleet
from tests.lab.facts import address
from tests.lab.threads import side_by_side
from uptainer.core.errors import BusyError, UnreachableError
from uptainer.store.database import Database, advisory_lock
from uptainer.store.repositories.hosts import HostRepository


def test_a_session_is_committed_at_its_end_and_its_rows_can_be_read_after_it(database: Database) -> None:
    with database.session() as session:
        row = HostRepository(session).add(address("beta"))
    assert row.name == "beta"
    with database.session() as session:
        assert [host.name for host in HostRepository(session).all()] == ["beta"]


def test_an_error_takes_back_all_of_its_session(database: Database) -> None:
    def fail() -> None:
        with database.session() as session:
            HostRepository(session).add(address("beta"))
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    with database.session() as session:
        assert HostRepository(session).all() == []


def test_a_database_that_is_not_there_is_unreachable(database: Database) -> None:
    gone = Database(database.url.replace("/lab_", "/no_such_"))
    with pytest.raises(UnreachableError, match="did not answer"), gone.session() as session:
        session.execute(text("SELECT 1"))


def test_a_connection_that_is_cut_is_unreachable_and_the_next_session_works(database: Database) -> None:
    def cut() -> None:
        with database.session() as session:
            number = session.scalar(text("SELECT pg_backend_pid()"))
            with database.session() as other:
                other.execute(text("SELECT pg_terminate_backend(:number, 5000)"), {"number": number})
            session.execute(text("SELECT 1"))

    with pytest.raises(UnreachableError):
        cut()
    with database.session() as session:
        assert session.scalar(text("SELECT 1")) == 1


def test_an_error_of_ours_is_not_taken_for_one_of_the_connection(database: Database, fleet: Fleet) -> None:
    with pytest.raises(IntegrityError), database.session() as session:
        session.execute(text("INSERT INTO uptainer.servers (name) VALUES ('x'), ('x')"))


def test_transactions_that_wait_for_each_other_are_told_to_try_again(
    database: Database, fleet: Fleet
) -> None:
    both_hold_one = Barrier(2)

    def lock(first: str, second: str) -> None:
        with database.session() as session:
            wanted = text("SELECT 1 FROM uptainer.containers WHERE key = :key FOR UPDATE")
            session.execute(wanted, {"key": first})
            both_hold_one.wait(timeout=30)
            session.execute(wanted, {"key": second})

    done = side_by_side(lambda: lock("web", "db"), lambda: lock("db", "web"))
    assert [type(each) for each in done if each is not None] == [BusyError]


def test_a_lock_is_held_by_one_at_a_time_and_free_after_it(database: Database) -> None:
    with advisory_lock(database.url, "alpha/web"):
        with pytest.raises(BusyError, match="alpha/web is being worked on"), database.lock("alpha/web"):
            pass
        with database.lock("alpha/db"):
            pass
    with database.lock("alpha/web"):
        pass


def test_a_lock_is_free_when_its_holder_dies(database: Database) -> None:
    with advisory_lock(database.engine, "alpha/web"):
        with database.session() as session:
            session.execute(
                text("SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory'")
            )
        with database.lock("alpha/web"):
            pass
