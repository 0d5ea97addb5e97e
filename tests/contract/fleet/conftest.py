from collections.abc import Iterator

import pytest

from tests.contract.fleet.seeded import Seeded
from tests.lab.postgres import PostgresServer, database_of
from uptainer.store import schema
from uptainer.store.database import Database


@pytest.fixture(scope="session")
def fleet_template(postgres_server: PostgresServer) -> Iterator[str]:
    url = postgres_server.create_database()
    schema.upgrade(url)
    yield database_of(url)
    postgres_server.drop_database(url)


@pytest.fixture
def database(postgres_server: PostgresServer, fleet_template: str) -> Iterator[Database]:
    """A migrated database for this test alone."""
    url = postgres_server.create_database(template=fleet_template)
    opened = Database(url)
    yield opened
    opened.dispose()
    postgres_server.drop_database(url)


@pytest.fixture
def fleet(database: Database) -> Seeded:
    return Seeded(database)
