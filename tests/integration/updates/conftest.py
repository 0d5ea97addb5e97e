from collections.abc import Iterator

import pytest

from uptainer.store import schema
from uptainer.store.database import Database


@pytest.fixture(scope="module")
def database(module_postgres_url: str) -> Iterator[Database]:
    """One for all tests of a module: each brings a host of its own."""
    schema.upgrade(module_postgres_url)
    opened = Database(module_postgres_url)
    yield opened
    opened.dispose()


@pytest.fixture
def fresh_database(postgres_url: str) -> Iterator[Database]:
    schema.upgrade(postgres_url)
    opened = Database(postgres_url)
    yield opened
    opened.dispose()
