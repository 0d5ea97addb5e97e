"""Reading and operating a real engine through the port."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.lab.docker import DockerEngine
from tests.lab.images import build_image, load_image, make_image
from tests.lab.podman import PodmanEngine
from tests.lab.registry import Registry
from tests.lab.replacing import LOOPBACK, comparable, make_network, open_runtime, run_docker
from tests.lab.room import wait_until
from uptainer.core.enums import ConnectionType, ContainerStatus, Health, RuntimeType
from uptainer.core.errors import (
    InvalidInputError,
    NotFoundError,
    PermanentError,
    TemporaryError,
    UnreachableError,
    UnsupportedError,
)
from uptainer.core.workloads import HostAddress, Mount, Port
from uptainer.runtimes.connections import connect
from uptainer.runtimes.port import Runtime

IMAGE = "lab/operate:1"
MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def runtime(docker_engine: DockerEngine) -> Iterator[Runtime]:
    healthy = {"Test": ["CMD", "/bin/true"], "Interval": 1_000_000_000}
    load_image(docker_engine, IMAGE, build_image(labels={"from": "image"}, healthcheck=healthy))
    with open_runtime(docker_engine) as opened:
        yield opened


@pytest.fixture
def web(clean_engine: DockerEngine, runtime: Runtime) -> str:
    run_docker(clean_engine, "run", "--detach", "--name", "web", "--stop-timeout", "1", IMAGE)
    return "web"


def test_the_engine_says_what_it_is(clean_engine: DockerEngine, runtime: Runtime) -> None:
    facts, version = runtime.engine(), clean_engine.client.version()
    assert (facts.version, facts.api_version) == (version["Version"], version["ApiVersion"])
    assert facts.id
    assert facts.memory > 0
    assert str(facts.platform).startswith("linux/")


def test_every_container_is_found_with_all_that_is_known_of_it(
    clean_engine: DockerEngine, runtime: Runtime
) -> None:
    options = (
        *("--label", "com.docker.compose.project=shop", "--label", "com.docker.compose.service=web"),
        *(
            "--volume",
            "named:/named:ro",
            "--volume",
            "/unnamed",
            "--publish",
            f"{LOOPBACK}:18496:80",
            "--expose",
            "90",
        ),
    )
    run_docker(clean_engine, "run", "--detach", "--name", "web", *options, IMAGE)
    run_docker(clean_engine, "create", "--name", "later", "--network", "none", IMAGE)
    found = {each.key: each for each in runtime.containers()}
    assert set(found) == {"web", "later"}
    web, later = found["web"], found["later"]
    assert (web.status, later.status) == (ContainerStatus.RUNNING, ContainerStatus.CREATED)
    assert (web.project, web.service, web.image_reference) == ("shop", "web", IMAGE)
    assert web.image_id == runtime.image(IMAGE).image_id
    assert web.image_labels == {"from": "image"}
    assert web.repo_digests == ()
    assert web.ports == (Port(80, "tcp", LOOPBACK, 18496), Port(90, "tcp"))
    assert (web.networks, later.networks) == (("bridge",), ("none",))
    assert web.has_healthcheck
    assert web.health in (Health.STARTING, Health.HEALTHY)
    assert later.health is Health.UNKNOWN
    assert web.platform == runtime.engine().platform
    assert web.started_at
    assert web.created_at <= web.started_at
    assert later.started_at is None
    named, unnamed = sorted(web.mounts, key=lambda mount: mount.destination)
    assert (named.name, named.read_only, named.anonymous) == ("named", True, False)
    assert (unnamed.kind, unnamed.read_only, unnamed.anonymous) == ("volume", False, True)


def test_a_pulled_image_has_the_digest_that_the_registry_gave_it(
    clean_engine: DockerEngine, runtime: Runtime, registry: Registry
) -> None:
    reference = registry.reference("operate/app:1")
    digest = make_image(clean_engine, reference, labels={"only": "here"})
    assert runtime.image(reference).repo_digests == (f"{reference.rpartition(':')[0]}@{digest}",)


def test_a_container_is_started_stopped_paused_and_removed(
    clean_engine: DockerEngine, runtime: Runtime, web: str
) -> None:
    runtime.pause(web)
    assert runtime.state(web).status is ContainerStatus.PAUSED
    runtime.unpause(web)
    started = runtime.state(web).started_at
    runtime.restart(web)
    again = runtime.state(web)
    assert started
    assert again.started_at
    assert again.started_at > started
    assert again.addresses["bridge"]
    wait_until(lambda: "sleep" in run_docker(clean_engine, "top", web), what="it did not heed signals")
    runtime.stop(web, timedelta(seconds=30))
    runtime.stop(web)
    assert runtime.state(web).exit_code == 0
    runtime.start(web)
    runtime.start(web)
    with pytest.raises(PermanentError):
        runtime.remove(web)
    runtime.remove(web, force=True)
    with pytest.raises(NotFoundError):
        runtime.state(web)


def test_removing_a_container_leaves_its_volumes(clean_engine: DockerEngine, runtime: Runtime) -> None:
    run_docker(clean_engine, "create", "--name", "web", "--volume", "/unnamed", IMAGE)
    runtime.remove("web")
    assert run_docker(clean_engine, "volume", "ls", "--quiet")


def test_a_command_gives_its_output_and_exit_code(runtime: Runtime, web: str) -> None:
    script = "echo out; sleep 1; echo err >&2; exit 3"
    done = runtime.execute(web, ["sh", "-c", script], MINUTE)
    assert (done.exit_code, done.output) == (3, "out\nerr\n")


def test_much_output_is_cut_and_the_command_still_ends(runtime: Runtime, web: str) -> None:
    done = runtime.execute(web, ["sh", "-c", "yes | head -c 3000000; exit 4"], MINUTE)
    assert (done.exit_code, len(done.output)) == (4, 1024 * 1024)


def test_a_command_that_does_not_end_in_time_is_given_up(runtime: Runtime, web: str) -> None:
    with pytest.raises(TemporaryError, match="did not end"):
        runtime.execute(web, ["sleep", "30"], timedelta(milliseconds=300))
    with pytest.raises(TemporaryError, match="did not end"):
        runtime.execute(web, ["sh", "-c", "while :; do echo x; sleep 0.1; done"], timedelta(milliseconds=500))


@pytest.mark.parametrize("options", [(), ("--tty",)], ids=["streams", "terminal"])
def test_logs_are_the_last_lines(
    clean_engine: DockerEngine, runtime: Runtime, options: tuple[str, ...]
) -> None:
    talk = ("sh", "-c", "echo one; echo two; echo three")
    run_docker(clean_engine, "run", "--name", "talk", *options, IMAGE, *talk)
    assert runtime.logs("talk", tail=2).split() == ["two", "three"]
    assert runtime.logs("talk", tail=2, since=datetime.now(UTC) + MINUTE) == ""


def test_a_created_container_has_no_logs(clean_engine: DockerEngine, runtime: Runtime) -> None:
    run_docker(clean_engine, "create", "--name", "later", IMAGE)
    assert runtime.logs("later", tail=10) == ""


def test_an_image_is_removed_only_when_nothing_uses_it(clean_engine: DockerEngine, runtime: Runtime) -> None:
    load_image(clean_engine, "lab/unused:1", build_image(labels={"un": "used"}))
    unused = runtime.image("lab/unused:1").image_id
    run_docker(clean_engine, "create", "--name", "user", "lab/unused:1")
    assert not runtime.remove_image(unused)
    runtime.remove("user")
    assert runtime.remove_image(unused)
    assert runtime.remove_image(unused)


def test_a_container_is_made_again_from_its_saved_configuration(
    clean_engine: DockerEngine, runtime: Runtime
) -> None:
    front = make_network(clean_engine, "front")
    run_docker(clean_engine, *["volume", "create", "--label", "kept=1", "named"])
    options = (
        f"--network front --ip {front}.9 --volume named:/named --volume /unnamed --env A=1 --restart always"
    )
    run_docker(clean_engine, "run", "--detach", "--name", "web", *options.split(), IMAGE)
    before = comparable(dict(runtime.inspect("web")), {})
    saved = json.loads(json.dumps(runtime.configuration("web")))
    runtime.remove("web", force=True)
    run_docker(clean_engine, "volume", "rm", "named")
    assert runtime.create_from(saved) == "web"
    assert runtime.state("web").status is ContainerStatus.CREATED
    runtime.start("web")
    assert comparable(dict(runtime.inspect("web")), {}) == before
    assert clean_engine.client.volumes.get("named").attrs["Labels"] == {"kept": "1"}
    with pytest.raises(PermanentError):
        runtime.create_from(saved)
    with pytest.raises(InvalidInputError):
        runtime.create_from({"version": 99})


def test_what_is_not_there_is_not_found(runtime: Runtime) -> None:
    for ask in (runtime.state, runtime.start, runtime.image, runtime.configuration):
        with pytest.raises(NotFoundError):
            ask("nobody")
    with pytest.raises(NotFoundError):
        runtime.check_mount("nobody", Mount("bind", "", "/nowhere/at/all", "/x", read_only=False))


def test_an_engine_that_is_down_is_unreachable_and_not_empty(tmp_path: object) -> None:
    gone = HostAddress("gone", RuntimeType.DOCKER, ConnectionType.UNIX, f"unix://{tmp_path}/docker.sock")
    with pytest.raises(UnreachableError, match="is the engine running"):
        connect(gone)


def test_an_engine_that_goes_down_meanwhile_is_unreachable_and_comes_back(
    clean_engine: DockerEngine, runtime: Runtime, web: str
) -> None:
    runtime.containers()
    clean_engine.stop()
    try:
        with pytest.raises(UnreachableError):
            runtime.containers()
    finally:
        clean_engine.start()
    assert [each.key for each in runtime.containers()] == ["web"]


@pytest.mark.parametrize(
    ("runtime_type", "connection", "url"),
    [
        (RuntimeType.DOCKER, ConnectionType.TCP, "tcp://192.0.2.1:2375"),
        (RuntimeType.DOCKER, ConnectionType.KUBECONFIG, "kubeconfig:///path"),
    ],
)
def test_what_this_version_does_not_reach_is_said_so(
    runtime_type: RuntimeType, connection: ConnectionType, url: str
) -> None:
    with pytest.raises(UnsupportedError):
        connect(HostAddress("far", runtime_type, connection, url))


def test_a_podman_is_not_managed_as_if_it_were_docker(podman_engine: PodmanEngine) -> None:
    """It answers Docker's API too, which knows nothing of its secrets, pods and units: they would be lost."""
    with pytest.raises(UnsupportedError, match="is a Podman: add it with --runtime podman"):
        connect(HostAddress("pod", RuntimeType.DOCKER, ConnectionType.UNIX, podman_engine.url))


@pytest.mark.parametrize("name", ["../images/json", "web?all=1", "web web", "we\nb", "web#"])
def test_a_name_with_odd_signs_is_no_other_request(runtime: Runtime, name: str) -> None:
    with pytest.raises(InvalidInputError):
        runtime.inspect(name)
