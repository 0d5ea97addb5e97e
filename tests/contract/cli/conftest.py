"""A database that commands use, with nothing in it or with a small fleet."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.postgres import PostgresServer, database_of
from tests.lab.stocked import Stocked
from uptainer.store import schema
from uptainer.store.database import Database


@pytest.fixture(scope="session")
def fleet_template(postgres_server: PostgresServer) -> Iterator[str]:
    url = postgres_server.create_database()
    schema.upgrade(url)
    yield database_of(url)
    postgres_server.drop_database(url)


@pytest.fixture
def empty(
    postgres_server: PostgresServer,
    fleet_template: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Database]:
    """A migrated database of this test alone, which commands use; Uptainer itself is not up."""
    url = postgres_server.create_database(template=fleet_template)
    for name in [name for name in os.environ if name.startswith(("UPTAINER_", "PREFECT_API_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("UPTAINER_DATABASE_URL", url)
    monkeypatch.setenv("UPTAINER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "220")
    opened = Database(url)
    yield opened
    opened.dispose()
    postgres_server.drop_database(url)


@pytest.fixture
def stocked(empty: Database) -> Stocked:
    made = Stocked(empty)
    made.fill()
    return made
