"""What depends on a container is stopped before it and is right again after it, whether it was replaced or put back."""

from collections.abc import Iterator, Mapping
from datetime import timedelta

import pytest

from tests.lab.docker import DockerEngine
from tests.lab.images import make_image
from tests.lab.registry import Registry
from tests.lab.replacing import (
    Json,
    comparable,
    open_runtime,
    perform_all,
    request_for,
    revert_all,
    run_docker,
)
from uptainer.core.errors import RefusedError, SupersededError
from uptainer.runtimes.port import ReplacementPlan, ReplacementRequest, Runtime

PROJECT = ("--label", "com.docker.compose.project=shop")


@pytest.fixture
def runtime(clean_engine: DockerEngine) -> Iterator[Runtime]:
    with open_runtime(clean_engine) as opened:
        yield opened


@pytest.fixture(scope="module")
def images(docker_engine: DockerEngine, registry: Registry) -> tuple[str, str, str]:
    old, new = registry.reference("dependants/app:1"), registry.reference("dependants/app:2")
    make_image(docker_engine, old, labels={"build": "1"})
    return old, new, make_image(None, new, labels={"build": "2"})


@pytest.fixture
def request_db(clean_engine: DockerEngine, images: tuple[str, str, str]) -> ReplacementRequest:
    """`db` runs, and is to be replaced."""
    old, new, digest = images
    service = ("--label", "com.docker.compose.service=db")
    run_docker(
        clean_engine, *["run", "--detach", "--name", "db", "--volume", "/shared"], *PROJECT, *service, old
    )
    return request_for("db", new, digest, stop_timeout=timedelta(seconds=1))


def run(engine: DockerEngine, name: str, image: str, *options: str) -> None:
    run_docker(engine, "run", "--detach", "--name", name, *options, image)


def dependant(runtime: Runtime, name: str, provider: str) -> Json:
    """With the id of the container that it depends on read as that container's name."""
    shown = comparable(dict(runtime.inspect(name)), {})
    mode = shown["HostConfig"]["NetworkMode"]
    if mode == f"container:{runtime.inspect(provider)['Id']}":
        shown["HostConfig"]["NetworkMode"] = f"container:{provider}"
        shown["Config"]["Hostname"] = shown["NetworkSettings"] = "the provider's"
    return shown


KINDS = {
    "network": ("--network", "container:db"),
    "processes": ("--pid", "container:db"),
    "volumes": ("--volumes-from", "db"),
    "link": ("--link", "db:database"),
}


@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
def test_a_dependant_is_made_again_on_the_new_container(
    clean_engine: DockerEngine,
    runtime: Runtime,
    images: tuple[str, str, str],
    request_db: ReplacementRequest,
    options: tuple[str, ...],
) -> None:
    run(clean_engine, "sidecar", images[0], *options, "--env", "A=1", "--restart", "always")
    before, before_id = dependant(runtime, "sidecar", "db"), runtime.inspect("sidecar")["Id"]
    plan, _ = perform_all(runtime, request_db)
    assert [each.key for each in plan.affected] == ["sidecar"]
    assert runtime.inspect("sidecar")["Id"] != before_id
    assert without_pid(dependant(runtime, "sidecar", "db")) == without_pid(before)
    assert runtime.inspect("db")["Config"]["Labels"]["build"] == "2"
    assert len(runtime.containers()) == 2


def without_pid(shown: Json) -> Json:
    host = {name: value for name, value in shown["HostConfig"].items() if name != "PidMode"}
    return {**shown, "HostConfig": host}


@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
def test_a_dependant_is_put_back_with_what_it_depends_on(
    clean_engine: DockerEngine,
    runtime: Runtime,
    images: tuple[str, str, str],
    request_db: ReplacementRequest,
    options: tuple[str, ...],
) -> None:
    run(clean_engine, "sidecar", images[0], *options, "--restart", "always")
    before = comparable(dict(runtime.inspect("sidecar")), {})
    ids = {each.key: each.runtime_id for each in runtime.containers()}
    plan, results = perform_all(runtime, request_db, finish=False)
    del results["dependants"]
    revert_all(runtime, request_db, plan, results)
    assert {each.key: each.runtime_id for each in runtime.containers()} == ids
    assert comparable(dict(runtime.inspect("sidecar")), {}) == before


def test_a_chain_is_taken_down_and_up_in_order(
    clean_engine: DockerEngine,
    runtime: Runtime,
    images: tuple[str, str, str],
    request_db: ReplacementRequest,
) -> None:
    run(clean_engine, "one", images[0], "--network", "container:db")
    run(clean_engine, "two", images[0], "--volumes-from", "one", "--pid", "container:db")
    run(clean_engine, "three", images[0], "--pid", "container:two")
    run(clean_engine, "stranger", images[0])
    stranger = runtime.inspect("stranger")["State"]
    plan, _ = perform_all(runtime, request_db)
    assert [each.key for each in plan.affected] == ["one", "two", "three"]
    assert {each.key: each.status for each in runtime.containers()} == dict.fromkeys(
        ("db", "one", "two", "three", "stranger"), "running"
    )
    assert runtime.inspect("stranger")["State"] == stranger


@pytest.mark.parametrize(
    ("label", "restarted"),
    [("db:service_started:true", True), ("db:service_healthy:false", False), ("db:service_started", False)],
)
def test_compose_says_who_is_restarted(
    *,
    clean_engine: DockerEngine,
    runtime: Runtime,
    images: tuple[str, str, str],
    request_db: ReplacementRequest,
    label: str,
    restarted: bool,
) -> None:
    service = ("--label", "com.docker.compose.service=web")
    depends = ("--label", f"com.docker.compose.depends_on={label}")
    run(clean_engine, "shop-web-1", images[0], *PROJECT, *service, *depends)
    before = runtime.inspect("shop-web-1")
    plan, _ = perform_all(runtime, request_db)
    after = runtime.inspect("shop-web-1")
    assert after["Id"] == before["Id"]
    assert [each.key for each in plan.affected] == ["shop-web-1"] * restarted
    assert (after["State"]["StartedAt"] != before["State"]["StartedAt"]) is restarted
    assert after["State"]["Status"] == "running"
    facts = next(each for each in runtime.containers() if each.key == "shop-web-1")
    assert facts.depends_on == ("db",)


def test_a_stopped_dependant_is_made_again_and_stays_stopped(
    clean_engine: DockerEngine,
    runtime: Runtime,
    images: tuple[str, str, str],
    request_db: ReplacementRequest,
) -> None:
    run(clean_engine, "sidecar", images[0], "--network", "container:db")
    runtime.stop("sidecar")
    perform_all(runtime, request_db)
    assert runtime.state("sidecar").status == "created"
    runtime.start("sidecar")
    assert runtime.state("sidecar").status == "running"


def test_a_dependant_keeps_its_image_though_its_tag_moved(
    clean_engine: DockerEngine,
    runtime: Runtime,
    images: tuple[str, str, str],
    request_db: ReplacementRequest,
    registry: Registry,
) -> None:
    moving = registry.reference("dependants/moving:latest")
    make_image(clean_engine, moving, labels={"build": "a"})
    run(clean_engine, "sidecar", moving, "--network", "container:db")
    kept = runtime.inspect("sidecar")["Image"]
    make_image(clean_engine, moving, labels={"build": "b"})
    perform_all(runtime, request_db)
    assert runtime.inspect("sidecar")["Image"] == kept


def test_a_dependant_that_could_not_come_back_forbids_the_replacement(
    clean_engine: DockerEngine,
    runtime: Runtime,
    images: tuple[str, str, str],
    request_db: ReplacementRequest,
) -> None:
    run(clean_engine, "sidecar", images[0], "--network", "container:db", "--rm")
    with pytest.raises(RefusedError, match="sidecar was started with --rm"):
        runtime.plan_replacement(request_db)


def test_doing_and_undoing_the_dependants_twice_is_doing_it_once(
    clean_engine: DockerEngine,
    runtime: Runtime,
    images: tuple[str, str, str],
    request_db: ReplacementRequest,
) -> None:
    run(clean_engine, "sidecar", images[0], "--network", "container:db")
    ids = {each.key: each.runtime_id for each in runtime.containers()}
    plan, results = perform_all(runtime, request_db, finish=False)
    again = runtime.perform("dependants", request_db, plan.document, results)
    assert again == results["dependants"]
    for step in reversed(plan.steps):
        if step.name != "remove_old":
            runtime.revert(step.name, request_db, plan.document, results)
            runtime.revert(step.name, request_db, plan.document, results)
    assert {each.key: each.runtime_id for each in runtime.containers()} == ids
    assert runtime.state("sidecar").status == "running"


def share_network(engine: DockerEngine, image: str, *names: str) -> None:
    for name in names:
        run(engine, name, image, "--network", "container:db", "--stop-timeout", "1")


def undo(
    runtime: Runtime, request: ReplacementRequest, plan: ReplacementPlan, results: Mapping[str, Json]
) -> list[str]:
    """Every step is taken back, as an update does; returns what was told of somebody else's."""
    told = []
    for step in reversed(plan.steps):
        try:
            runtime.revert(step.name, request, plan.document, results)
        except SupersededError as error:
            told.append(str(error))
    return told


@pytest.mark.parametrize("gone_before", ["stop_dependants", "dependants"])
def test_one_dependant_that_somebody_removed_does_not_keep_the_others_down(
    clean_engine: DockerEngine,
    runtime: Runtime,
    images: tuple[str, str, str],
    request_db: ReplacementRequest,
    gone_before: str,
) -> None:
    share_network(clean_engine, images[0], "sidecar", "second")
    plan = runtime.plan_replacement(request_db)
    gone, _ = (each.key for each in plan.affected)
    ids = {each.key: each.runtime_id for each in runtime.containers() if each.key != gone}
    results: dict[str, Json] = {}
    for step in plan.steps[: [each.name for each in plan.steps].index(gone_before)]:
        results[step.name] = dict(runtime.perform(step.name, request_db, plan.document, results))
    run_docker(clean_engine, "rm", "--force", gone)
    with pytest.raises(SupersededError, match=f"{gone} is not the container any more"):
        runtime.perform(gone_before, request_db, plan.document, results)
    told = undo(runtime, request_db, plan, results)
    assert told
    assert all(gone in each for each in told)
    assert {each.key: each.runtime_id for each in runtime.containers()} == ids
    assert {each.status for each in runtime.containers()} == {"running"}


def test_what_another_update_put_in_the_place_of_a_dependant_is_not_taken_for_ones_own(
    clean_engine: DockerEngine,
    runtime: Runtime,
    images: tuple[str, str, str],
    request_db: ReplacementRequest,
) -> None:
    share_network(clean_engine, images[0], "sidecar")
    plan = runtime.plan_replacement(request_db)
    theirs = request_for("sidecar", images[1], images[2], stop_timeout=timedelta(seconds=1))
    perform_all(runtime, theirs, finish=False)
    ids = {each.key: each.runtime_id for each in runtime.containers()}
    with pytest.raises(SupersededError, match="sidecar is not the container any more"):
        runtime.perform("dependants", request_db, plan.document, {})
    assert undo(runtime, request_db, plan, {})
    assert {each.key: each.runtime_id for each in runtime.containers()} == ids
    assert {each.status for each in runtime.containers()} == {"running", "exited"}
    assert runtime.state("sidecar").status == "running"
