"""The lab itself: each engine comes up, does the one thing that the tests need of it, and leaves nothing."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import reduce
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest
from playwright.sync_api import Browser

from tests.lab.alpine import (
    BEST_PACKAGES,
    FIXED_PACKAGES,
    OLD_PACKAGES,
    RELEASE_WITH_SUPPORT,
    RELEASE_WITHOUT_SUPPORT,
    alpine_files,
)
from tests.lab.browser import visit
from tests.lab.docker import DockerEngine
from tests.lab.images import build_image, load_image, make_image, push_index
from tests.lab.llm import LanguageModelServer, Reply
from tests.lab.postgres import PostgresServer
from tests.lab.prefect import PrefectServer
from tests.lab.registry import PASSWORD, USER, Registry
from tests.lab.room import Room, free_port, take_room, wait_until


def test_a_container_publishes_a_port_and_finds_another_by_name(
    clean_engine: DockerEngine, registry: Registry
) -> None:
    reference = registry.reference("lab/web:1")
    make_image(
        clean_engine,
        reference,
        cmd=["httpd", "-f", "-p", "80", "-h", "/www"],
        files={"/www/index.html": "hello"},
    )
    network = clean_engine.client.networks.create("lab-net")
    web = clean_engine.client.containers.run(
        reference, name="web", detach=True, network="lab-net", ports={"80/tcp": None}, init=True
    )
    web.reload()
    port = web.attrs["NetworkSettings"]["Ports"]["80/tcp"][0]["HostPort"]
    wait_until(lambda: _said(f"http://127.0.0.1:{port}/") == "hello", what="the page was not served")
    other = clean_engine.client.containers.run(
        reference, ["wget", "-qO-", "http://web/"], detach=True, network=network.name
    )
    assert other.wait()["StatusCode"] == 0
    assert other.logs() == b"hello"


def _said(url: str) -> str:
    """A container runs some moments before its program listens."""
    with suppress(httpx.TransportError):
        return httpx.get(url).text
    return ""


def test_the_same_image_has_the_same_digest_wherever_it_is_pushed(
    docker_engine: DockerEngine, registry: Registry
) -> None:
    first = make_image(docker_engine, registry.reference("lab/one:1"), labels={"a": "b"})
    second = make_image(None, registry.reference("lab/two:1"), labels={"a": "b"})
    assert first == second
    held = docker_engine.client.images.get(registry.reference("lab/one:1"))
    assert held.attrs["RepoDigests"] == [f"{registry.host}/lab/one@{first}"]


def test_an_image_can_be_local_only(docker_engine: DockerEngine) -> None:
    image_id = load_image(docker_engine, "lab/local:1", build_image(labels={"local": "yes"}))
    held = docker_engine.client.images.get("lab/local:1")
    assert (held.id, held.attrs["RepoDigests"]) == (image_id, [])


def test_the_engine_keeps_its_containers_over_a_restart_and_a_kill(
    clean_engine: DockerEngine, registry: Registry
) -> None:
    make_image(clean_engine, registry.reference("lab/keeps:1"))
    made = clean_engine.client.containers.run(
        registry.reference("lab/keeps:1"), name="keeps", detach=True, restart_policy={"Name": "always"}
    )
    clean_engine.restart()
    clean_engine.kill()
    clean_engine.start()
    assert clean_engine.client.containers.get("keeps").id == made.id


def test_the_registry_says_what_it_was_asked(registry: Registry) -> None:
    registry.forget_requests()
    httpx.head(f"{registry.url}/v2/lab/absent/manifests/1")
    assert [(r.method, r.path, r.status) for r in registry.requests()] == [
        ("HEAD", "/v2/lab/absent/manifests/1", 404)
    ]


def test_a_registry_with_basic_auth_refuses_the_nameless(basic_auth_registry: Registry) -> None:
    make_image(None, basic_auth_registry.reference("app:1"), login=basic_auth_registry.credentials)
    url = f"{basic_auth_registry.url}/v2/app/manifests/1"
    assert httpx.get(url).status_code == 401
    assert httpx.get(url, auth=(USER, "wrong")).status_code == 401
    assert httpx.get(url, auth=(USER, PASSWORD)).status_code == 200


@pytest.mark.parametrize(("name", "may_pull"), [("public/app", True), ("private/app", False)])
def test_a_nameless_token_is_good_for_public_images_only(
    docker_engine: DockerEngine, auth_registry: Registry, name: str, may_pull: bool
) -> None:
    digest = push_index(auth_registry.url, f"{name}:1", [build_image()], login=auth_registry.credentials)
    assert auth_registry.tokens is not None
    answer = httpx.get(
        auth_registry.tokens.realm, params={"service": "lab-registry", "scope": f"repository:{name}:pull"}
    )
    bearer = {"Authorization": f"Bearer {answer.json()['token']}"}
    index = "application/vnd.docker.distribution.manifest.list.v2+json"
    pulled = httpx.head(f"{auth_registry.url}/v2/{name}/manifests/1", headers={**bearer, "Accept": index})
    assert (pulled.status_code == 200) is may_pull
    assert (pulled.headers.get("Docker-Content-Digest") == digest) is may_pull


TRIVY_FLAGS = (
    *("--skip-db-update", "--skip-java-db-update", "--offline-scan", "--skip-version-check", "--no-progress"),
    *("--disable-telemetry", "--image-src", "docker", "--format", "json"),
)


@pytest.fixture
def scan(
    docker_engine: DockerEngine, registry: Registry, trivy_binary: Path, trivy_cache: Path
) -> Callable[[str, dict[str, str]], Any]:
    def scan_release(release: str, packages: dict[str, str]) -> Any:
        reference = registry.reference("lab/alpine:1")
        make_image(docker_engine, reference, files=alpine_files(release, packages))
        places = ("--cache-dir", str(trivy_cache), "--docker-host", docker_engine.url)
        command = [str(trivy_binary), "image", *places, *TRIVY_FLAGS, reference]
        return json.loads(subprocess.run(command, check=True, capture_output=True, timeout=60).stdout)

    return scan_release


@pytest.mark.parametrize(
    ("release", "packages", "found", "past_support"),
    [
        (RELEASE_WITH_SUPPORT, OLD_PACKAGES, 9, False),
        (RELEASE_WITH_SUPPORT, FIXED_PACKAGES, 2, False),
        (RELEASE_WITHOUT_SUPPORT, BEST_PACKAGES, 1, True),
    ],
)
def test_trivy_finds_what_the_database_has(
    scan: Callable[[str, dict[str, str]], Any],
    release: str,
    packages: dict[str, str],
    found: int,
    *,
    past_support: bool,
) -> None:
    report = scan(release, packages)
    rows = report["Results"][0]["Vulnerabilities"]
    assert len({row["VulnerabilityID"] for row in rows}) == found
    assert report["Metadata"]["OS"].get("EOSL", False) is past_support


def test_each_test_has_an_empty_database(postgres_url: str, postgres_server: PostgresServer) -> None:
    plain = postgres_url.replace("+psycopg", "")
    with psycopg.connect(plain) as connection:
        connection.execute("CREATE TABLE thing (id int)")
    copy = postgres_server.create_database(template=postgres_url.partition("?")[0].rpartition("/")[2])
    with psycopg.connect(copy.replace("+psycopg", "")) as connection:
        assert connection.execute("SELECT count(*) FROM thing").fetchone() == (0,)
    postgres_server.drop_database(copy)


def test_a_postgresql_that_was_stopped_comes_up_again_with_its_data(room: Room) -> None:
    server = PostgresServer(room)
    url = server.create_database().replace("+psycopg", "")
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept (id int)")
    server.stop()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)
    server.start()
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)
    server.close()


def test_prefect_answers_and_this_process_speaks_to_it(prefect_server: PrefectServer) -> None:
    from prefect.client.orchestration import get_client  # noqa: PLC0415 -- takes a second

    with get_client(sync_client=True) as client:
        assert str(client.api_url).rstrip("/") == prefect_server.api_url
        assert client.hello().status_code == 200


def test_a_browser_shows_the_prefect_page(chromium: Browser, prefect_server: PrefectServer) -> None:
    page = chromium.new_page()
    visit(page, prefect_server.url, until=page.get_by_text("Dashboard").first)


@pytest.mark.parametrize(
    ("path", "body", "where"),
    [
        ("/v1/chat/completions", {}, ("choices", 0, "message", "content")),
        ("/v1/messages", {}, ("content", 0, "text")),
        ("/api/chat", {"messages": []}, ("message", "content")),
        ("/api/generate", {"prompt": ""}, ("response",)),
    ],
)
def test_the_language_model_follows_its_script_in_each_dialect(
    llm_server: LanguageModelServer, path: str, body: dict[str, Any], where: tuple[str | int, ...]
) -> None:
    base = llm_server.script(
        Reply("busy", status=429, headers={"Retry-After": "0"}), Reply({"verdict": "hold"})
    )
    replies = [httpx.post(f"{base}{path}", json={"model": "m", **body}) for _ in range(3)]
    assert [reply.status_code for reply in replies] == [429, 200, 200]
    answer = reduce(lambda value, key: value[key], where, replies[-1].json())
    assert json.loads(answer) == {"verdict": "hold"}


KILLED_RUN = """
import os, signal
from tests.lab.docker import DockerEngine
from tests.lab.room import Room, take_room, wait_until

with take_room(range(90, 100)) as room:
    engine = DockerEngine(room)
    engine.client.networks.create("left-behind")
    print(room.number, flush=True)
    engine.kill()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_run_left_is_cleared_by_the_next_in_its_room(docker_engine: DockerEngine) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_RUN], check=False, capture_output=True, text=True, timeout=60
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    with take_room([int(killed.stdout)]) as room:
        assert list(room.path.iterdir()) == []
        assert bridges_in(room) == []


def test_a_closed_room_leaves_nothing(docker_engine: DockerEngine, registry: Registry) -> None:
    with take_room(range(90, 100)) as room:
        engine = DockerEngine(room)
        make_image(engine, registry.reference("lab/leaves:1"))
        engine.client.networks.create("of-its-own")
        engine.client.containers.run(registry.reference("lab/leaves:1"), detach=True, network="of-its-own")
        assert bridges_in(room)
        engine.close()
    assert not room.path.exists()
    assert bridges_in(room) == []
    assert str(room.path) not in Path("/proc/self/mountinfo").read_text()
    commands = [" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])]
    assert not [command for command in commands if f"{room.path}/" in command]


def test_two_at_a_time_have_rooms_and_engines_of_their_own(docker_engine: DockerEngine, room: Room) -> None:
    with take_room() as other:
        assert other.number != room.number
        engine = DockerEngine(other)
        assert engine.client.info()["ID"] != docker_engine.client.info()["ID"]
        engine.close()
    assert docker_engine.client.ping()


def test_no_two_processes_are_given_the_same_port() -> None:
    ours = {free_port() for _ in range(25)}
    code = "from tests.lab.room import free_port; print(*(free_port() for _ in range(25)))"
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    theirs = {int(port) for port in run.stdout.split()}
    assert len(ours) == len(theirs) == 25
    assert ours.isdisjoint(theirs)


def bridges_in(room: Room) -> list[str]:
    return [
        name
        for name, addresses in psutil.net_if_addrs().items()
        for address in addresses
        if address.family == socket.AF_INET and ip_address(address.address) in room.network
    ]
