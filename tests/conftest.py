"""What every test may ask for. A part of the lab that this machine cannot run is left out by name, never silently."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import settings
from playwright.sync_api import Browser

from tests.lab import environment
from tests.lab.browser import find_chromium, open_browser
from tests.lab.docker import DockerEngine
from tests.lab.environment import LEFT_OUT, lab_part
from tests.lab.kubernetes import Cluster
from tests.lab.llm import LanguageModelServer
from tests.lab.order import in_good_order
from tests.lab.podman import PodmanEngine
from tests.lab.postgres import PostgresServer
from tests.lab.prefect import PrefectServer
from tests.lab.registry import Registry
from tests.lab.room import Room, take_room
from tests.lab.s3 import S3Server
from tests.lab.stands.catalogue import STANDS
from tests.lab.stands.stand import Stand
from tests.lab.swarm import SwarmNode, start_manager, start_worker
from tests.lab.trivy import find_trivy, write_cache

settings.register_profile("lab", settings.default, deadline=None)
settings.load_profile("lab")

_room = pytest.StashKey[Room]()
_leaving = pytest.StashKey[ExitStack]()


def pytest_configure(config: pytest.Config) -> None:
    leaving = config.stash[_leaving] = ExitStack()
    config.stash[_room] = leaving.enter_context(take_room())
    environment.isolate(config.stash[_room].directory("home"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items[:] = in_good_order(items)


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash.get(_leaving, ExitStack()).close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what this machine could not run, and why, in one place."""
    skipped = (report.longrepr for report in terminalreporter.stats.get("skipped", []))
    reasons = Counter(longrepr[2].partition(LEFT_OUT)[2] for longrepr in skipped if LEFT_OUT in longrepr[2])
    if reasons:
        terminalreporter.section("left out on this machine")
        for reason, tests in reasons.most_common():
            terminalreporter.write_line(f"{LEFT_OUT}{reason} ({tests} tests)")


@pytest.fixture(scope="session")
def room(pytestconfig: pytest.Config) -> Room:
    """This process's own place on the machine, cleared when the session ends."""
    return pytestconfig.stash[_room]


@pytest.fixture(scope="session")
def docker_engine(room: Room) -> Iterator[DockerEngine]:
    """One private Docker engine for the session; what tests make in it stays until they, or `clean_engine`, remove it."""
    with lab_part():
        engine = DockerEngine(room)
    yield engine
    engine.close()


@pytest.fixture
def clean_engine(docker_engine: DockerEngine) -> Iterator[DockerEngine]:
    """The engine without containers, volumes and networks, before the test and after it."""
    docker_engine.clear()
    yield docker_engine
    docker_engine.clear()


@pytest.fixture(scope="session")
def podman_engine(room: Room) -> Iterator[PodmanEngine]:
    """One private Podman, run by root, for the session; what tests make in it stays until they remove it."""
    with lab_part():
        engine = PodmanEngine(room)
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def rootless_podman_engine(room: Room) -> Iterator[PodmanEngine]:
    """One private Podman of a normal user, with subordinate ids."""
    with lab_part():
        engine = PodmanEngine(room, rootless=True)
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def swarm_engine(room: Room) -> Iterator[SwarmNode]:
    """A swarm of one node, its manager, for the session; what tests make in it stays until they, or `clear`, remove it."""
    with lab_part():
        manager = start_manager(room)
    yield manager
    manager.close()


@pytest.fixture(scope="session")
def swarm_worker(room: Room, swarm_engine: SwarmNode) -> Iterator[SwarmNode]:
    """A second node of the swarm. It takes tasks only while it is `active`: drained, it changes nothing for others."""
    with lab_part():
        worker = start_worker(room, swarm_engine)
    yield worker
    swarm_engine.dismiss(worker)
    worker.close()


@pytest.fixture(scope="session")
def kubernetes_cluster() -> Iterator[Cluster]:
    """A cluster with one node, shared by all test processes; `cluster.namespace()` gives a place of one's own in it."""
    with lab_part():
        cluster = Cluster()
    yield cluster
    cluster.close()


@pytest.fixture(scope="session")
def registry(room: Room) -> Iterator[Registry]:
    """An open registry."""
    with lab_part():
        served = Registry(room)
    yield served
    served.close()


@pytest.fixture(scope="session")
def s3(room: Room) -> Iterator[S3Server]:
    """A bucket for everybody: each test writes below a name of its own."""
    served = S3Server(room)
    yield served
    served.close()


@pytest.fixture(scope="session")
def basic_auth_registry(room: Room) -> Iterator[Registry]:
    """A registry that wants a name and a password: `.credentials`."""
    with lab_part():
        served = Registry(room, auth="basic")
    yield served
    served.close()


@pytest.fixture(scope="session")
def auth_registry(room: Room) -> Iterator[Registry]:
    """A registry that wants a bearer token from `.tokens`; below `public/` it gives one to anybody, for pulling."""
    with lab_part():
        served = Registry(room, auth="token")
    yield served
    served.close()


@pytest.fixture(scope="session", params=STANDS)
def stand(request: pytest.FixtureRequest) -> Iterator[Stand]:
    """Each runtime in its turn, with nothing deployed on it: a test that asks for this one is run against them all."""
    built = STANDS[request.param](request)
    built.clear()
    yield built
    built.close()


@pytest.fixture(scope="session")
def postgres_server(room: Room) -> Iterator[PostgresServer]:
    server = PostgresServer(room)
    yield server
    server.close()


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """An empty database for this test alone, as `postgresql+psycopg://...`."""
    url = postgres_server.create_database()
    yield url
    postgres_server.drop_database(url)


@pytest.fixture(scope="module")
def module_postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """A database, empty at first, that the tests of one module share."""
    url = postgres_server.create_database()
    yield url
    postgres_server.drop_database(url)


@pytest.fixture(scope="session")
def trivy_binary() -> Path:
    with lab_part():
        return find_trivy()


@pytest.fixture(scope="session")
def trivy_cache(room: Room) -> Path:
    """A cache directory with the lab's small database; for one scan at a time."""
    return write_cache(room.directory("trivy"))


@pytest.fixture
def llm_server() -> Iterator[LanguageModelServer]:
    server = LanguageModelServer()
    yield server
    server.close()


@pytest.fixture(scope="session")
def prefect_server(room: Room) -> Iterator[PrefectServer]:
    """A Prefect server; from its start on, this process speaks to it and to no other."""
    with lab_part():
        server = PrefectServer(room)
    with server.settings():
        yield server
    server.close()


@pytest.fixture
def chromium() -> Iterator[Browser]:
    """A real browser for one test; no asyncio loop can run in the test's own thread while it is open."""
    with lab_part():
        executable = find_chromium()
    with open_browser(executable) as browser:
        yield browser
