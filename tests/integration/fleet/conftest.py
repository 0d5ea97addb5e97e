from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.fleet.house import House
from tests.lab.docker import DockerEngine
from tests.lab.registry import Registry
from uptainer.store import schema
from uptainer.store.database import Database


@pytest.fixture
def house(
    clean_engine: DockerEngine, registry: Registry, postgres_url: str, tmp_path: Path
) -> Iterator[House]:
    """A real engine as the host `lab`, a real registry, and a database of its own."""
    schema.upgrade(postgres_url)
    database = Database(postgres_url)
    yield House(clean_engine, registry, database, tmp_path)
    database.dispose()
