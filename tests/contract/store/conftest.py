from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session

from tests.lab.facts import NOW, address, candidate, container
from tests.lab.postgres import PostgresServer, database_of
from uptainer.core.enums import ChangeLevel, CheckResult
from uptainer.store import schema
from uptainer.store.database import Database
from uptainer.store.repositories.checks import CheckRepository, Lookup
from uptainer.store.repositories.containers import ContainerRepository
from uptainer.store.repositories.hosts import HostRepository
from uptainer.store.repositories.proposals import Proposal


@pytest.fixture(scope="session")
def migrated_template(postgres_server: PostgresServer) -> Iterator[str]:
    url = postgres_server.create_database()
    schema.upgrade(url)
    yield database_of(url)
    postgres_server.drop_database(url)


@pytest.fixture
def database(postgres_server: PostgresServer, migrated_template: str) -> Iterator[Database]:
    """A migrated database for this test alone."""
    url = postgres_server.create_database(template=migrated_template)
    opened = Database(url)
    yield opened
    opened.dispose()
    postgres_server.drop_database(url)


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    with database.session() as opened:
        yield opened


class Fleet:
    """One host, its containers by key, and proposals for them."""

    def __init__(self, database: Database, *keys: str) -> None:
        with database.session() as session:
            self.host_id = HostRepository(session).add(address()).id
            containers = ContainerRepository(session)
            containers.record(self.host_id, [container(key) for key in keys], NOW)
            self.ids = {view.container.key: view.container.id for view in containers.listing()}

    def proposal(self, key: str, tag: str = "1.28", *, over_approved: bool = False) -> Proposal:
        offered = candidate(tag)
        return Proposal(
            container_id=self.ids[key],
            candidate_id=None,
            host_name="alpha",
            workload=key,
            from_reference="nginx:1.27",
            from_digest="sha256:old",
            from_image_id="sha256:id",
            to_reference=str(offered.reference),
            to_digest=offered.digest,
            level=ChangeLevel.MINOR,
            decision={"verdict": "allow"},
            policy={"mode": "manual"},
            to_version=tag,
            over_approved=over_approved,
        )

    def find(self, session: Session, key: str, *tags: str) -> tuple[int, ...]:
        """Record a lookup that found these tags; gives the candidates' ids."""
        offered = tuple(candidate(tag) for tag in tags)
        lookup = Lookup(self.ids[key], "nginx:1.27", CheckResult.CANDIDATES, "newer", candidates=offered)
        record = CheckRepository(session).record([lookup], NOW)
        return tuple(row.id for row in record.candidates[self.ids[key]])


@pytest.fixture
def fleet(database: Database) -> Fleet:
    return Fleet(database, "web", "db", "cache")


@contextmanager
def counted_statements(database: Database) -> Iterator[list[str]]:
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    yield seen
    event.remove(database.engine, "before_cursor_execute", note)
