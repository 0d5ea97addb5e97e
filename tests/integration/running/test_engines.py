from collections.abc import Iterator

import pytest

from tests.lab.docker import DockerEngine
from uptainer.console.engines import add_engines
from uptainer.core.clock import utc_now
from uptainer.core.enums import ConnectionType, RuntimeType
from uptainer.core.workloads import HostAddress
from uptainer.store import schema
from uptainer.store.database import Database
from uptainer.store.repositories.hosts import HostRepository


@pytest.fixture
def database(postgres_url: str) -> Iterator[Database]:
    schema.upgrade(postgres_url)
    opened = Database(postgres_url)
    yield opened
    opened.dispose()


def hosts(database: Database) -> dict[str, str]:
    with database.session() as session:
        return {host.name: host.url for host in HostRepository(session).all()}


def test_the_engine_that_the_environment_names_is_added_once(
    database: Database, docker_engine: DockerEngine
) -> None:
    found = add_engines(database, {"DOCKER_HOST": docker_engine.url})
    assert found.hosts == 1
    assert "Found Docker" in found.sentences[0]
    assert add_engines(database, {"DOCKER_HOST": docker_engine.url}).sentences == ()
    assert list(hosts(database).values()) == [docker_engine.url]


def test_an_engine_that_a_person_has_removed_is_not_added_again(
    database: Database, docker_engine: DockerEngine
) -> None:
    add_engines(database, {"DOCKER_HOST": docker_engine.url})
    with database.session() as session:
        HostRepository(session).remove(next(iter(hosts(database))), utc_now())
    assert add_engines(database, {"DOCKER_HOST": docker_engine.url}).hosts == 0


def test_a_host_of_the_same_name_is_left_as_it_is(database: Database, docker_engine: DockerEngine) -> None:
    add_engines(database, {"DOCKER_HOST": docker_engine.url})
    name = next(iter(hosts(database)))
    other = HostAddress(name, RuntimeType.DOCKER, ConnectionType.UNIX, "unix:///elsewhere.sock")
    with database.session() as session:
        HostRepository(session).add(other)
    add_engines(database, {"DOCKER_HOST": docker_engine.url})
    assert hosts(database) == {name: other.url, f"{name}-2": docker_engine.url}


def test_an_engine_that_does_not_answer_is_said_to_and_not_added(database: Database) -> None:
    found = add_engines(database, {"DOCKER_HOST": "unix:///nowhere/docker.sock"})
    assert found.hosts == 0
    assert "unix:///nowhere/docker.sock was not added" in found.sentences[0]
