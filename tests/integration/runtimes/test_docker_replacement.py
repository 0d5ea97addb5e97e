"""Each step of a replacement can be done again, and undone from wherever it stopped."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from tests.lab.docker import DockerEngine
from tests.lab.images import build_image, load_image, make_image
from tests.lab.registry import Registry
from tests.lab.replacing import (
    LOOPBACK,
    Json,
    address_of,
    comparable,
    make_network,
    open_runtime,
    perform_all,
    request_for,
    revert_all,
    run_docker,
)
from tests.lab.room import wait_until
from uptainer.core.errors import (
    InvalidInputError,
    NotFoundError,
    PermanentError,
    RefusedError,
    UnreachableError,
)
from uptainer.core.platform import Platform
from uptainer.runtimes.docker.runtime import DockerRuntime
from uptainer.runtimes.port import Phase, ReplacementPlan, ReplacementRequest, Runtime

STEPS = ("pull", "create", "stop", "disarm", "set_aside", "take_name", "start", "remove_old")
UNDOABLE = STEPS[:-1]
SOON = timedelta(seconds=1)
OPTIONS = (
    *("--restart", "always", "--network", "front", "--publish", f"{LOOPBACK}:18491:80"),
    *("--volume", "named:/named", "--volume", "/unnamed", "--env", "A=1", "--hostname", "web"),
)


@dataclass
class Swapping:
    """A container in the middle of being replaced."""

    engine: DockerEngine
    runtime: Runtime
    request: ReplacementRequest
    old_reference: str
    before: Json
    plan: ReplacementPlan
    results: dict[str, Any] = field(default_factory=dict)

    def perform(self, *steps: str) -> None:
        for step in steps:
            self.results[step] = self.runtime.perform(step, self.request, self.plan.document, self.results)

    def revert(self, *steps: str) -> None:
        for step in steps:
            self.runtime.revert(step, self.request, self.plan.document, self.results)

    def containers(self) -> dict[str, str]:
        listed = run_docker(self.engine, "ps", "--all", "--format", "{{.Names}} {{.State}}").splitlines()
        return dict(line.split() for line in listed)

    def volumes(self) -> set[str]:
        return set(run_docker(self.engine, "volume", "ls", "--quiet").split())

    def image_id(self, reference: str) -> str:
        return str(self.engine.client.images.get(reference).id)


@pytest.fixture(scope="module")
def images(docker_engine: DockerEngine, registry: Registry) -> tuple[str, str, str]:
    """The old and the new reference, and the new one's digest; the new image declares a volume more."""
    old, new = registry.reference("steps/app:1.0.0"), registry.reference("steps/app:1.0.1")
    make_image(docker_engine, old, labels={"build": "1"})
    digest = make_image(
        docker_engine, new, labels={"build": "2"}, config={"Volumes": {"/new": {}}}, pull=False
    )
    return old, new, digest


@pytest.fixture
def runtime(clean_engine: DockerEngine) -> Iterator[Runtime]:
    with open_runtime(clean_engine) as opened:
        yield opened


@pytest.fixture
def swapping(clean_engine: DockerEngine, runtime: Runtime, images: tuple[str, str, str]) -> Swapping:
    old, new, digest = images
    front = make_network(clean_engine, "front")
    run_docker(clean_engine, "run", "--detach", "--name", "web", "--ip", f"{front}.7", *OPTIONS, old)
    request = request_for("web", new, digest, stop_timeout=SOON)
    before = dict(runtime.inspect("web"))
    return Swapping(clean_engine, runtime, request, old, before, runtime.plan_replacement(request))


def assert_as_before(swapping: Swapping, volumes: set[str]) -> None:
    after = dict(swapping.runtime.inspect("web"))
    assert after["Id"] == swapping.before["Id"]
    assert comparable(after, {}) == comparable(swapping.before, {})
    assert swapping.containers() == {"web": "running"}
    assert swapping.volumes() == volumes


def test_a_plan_names_its_steps_in_order_and_touches_nothing(swapping: Swapping) -> None:
    assert tuple(step.name for step in swapping.plan.steps) == STEPS
    phases = [step.phase for step in swapping.plan.steps]
    assert phases == sorted(phases, key=list(Phase).index)
    assert swapping.runtime.inspect("web")["State"] == swapping.before["State"]
    assert swapping.containers() == {"web": "running"}


def test_after_all_steps_the_new_one_runs_in_the_place_of_the_old_one(swapping: Swapping) -> None:
    volumes = swapping.volumes()
    swapping.perform(*STEPS)
    after = swapping.runtime.inspect("web")
    assert swapping.containers() == {"web": "running"}
    assert after["HostConfig"]["RestartPolicy"]["Name"] == "always"
    assert after["NetworkSettings"]["Networks"]["front"]["IPAddress"] == f"{swapping.engine.room.part(0)}.7"
    assert after["Config"]["Image"] == swapping.request.tag.familiar
    assert volumes < swapping.volumes()
    facts = next(each for each in swapping.runtime.containers() if each.key == "web")
    assert facts.repo_digests == (str(swapping.request.image),)


@pytest.mark.parametrize("done", range(1, len(UNDOABLE) + 1))
@pytest.mark.parametrize("noted", [True, False], ids=["noted", "last one not noted"])
def test_undoing_from_any_step_leaves_exactly_the_old_one_running(
    swapping: Swapping, done: int, noted: bool
) -> None:
    volumes = swapping.volumes()
    swapping.perform(*UNDOABLE[:done])
    if not noted:
        del swapping.results[UNDOABLE[done - 1]]
    swapping.revert(*reversed(UNDOABLE[:done]))
    assert_as_before(swapping, volumes)


def test_undoing_twice_is_undoing_once(swapping: Swapping) -> None:
    volumes = swapping.volumes()
    swapping.perform(*UNDOABLE)
    for step in reversed(UNDOABLE):
        swapping.revert(step, step)
    swapping.revert(*reversed(UNDOABLE))
    assert_as_before(swapping, volumes)


@pytest.mark.parametrize("done", range(len(UNDOABLE)))
def test_a_step_that_never_began_is_undone_too(swapping: Swapping, done: int) -> None:
    volumes = swapping.volumes()
    swapping.perform(*UNDOABLE[:done])
    swapping.revert(*reversed(UNDOABLE[: done + 1]))
    assert_as_before(swapping, volumes)


def test_doing_each_step_twice_is_doing_it_once(swapping: Swapping) -> None:
    for step in STEPS:
        swapping.perform(step)
        first = swapping.results[step]
        swapping.perform(step)
        assert swapping.results[step] == first
    assert swapping.containers() == {"web": "running"}


def test_at_no_step_both_or_two_restart_policies_are_there(swapping: Swapping) -> None:
    """An engine that starts anew at any moment starts one of them at most."""
    for step in STEPS:
        swapping.perform(step)
        running = [name for name, state in swapping.containers().items() if state == "running"]
        listed = swapping.engine.client.containers.list(all=True)
        armed = [each.name for each in listed if each.attrs["HostConfig"]["RestartPolicy"]["Name"] != "no"]
        assert len(running) <= 1
        assert len(armed) <= 1


def test_the_tag_goes_back_to_what_it_stood_for(swapping: Swapping, registry: Registry) -> None:
    moving, old = registry.reference("steps/moving:latest"), swapping.image_id(swapping.old_reference)
    digest = make_image(None, moving, labels={"build": "3"})
    run_docker(swapping.engine, "tag", swapping.old_reference, moving)
    request = request_for("web", moving, digest, stop_timeout=SOON)
    plan, results = perform_all(swapping.runtime, request, finish=False)
    assert swapping.image_id(moving) != old
    revert_all(swapping.runtime, request, plan, results)
    assert swapping.image_id(moving) == old


def test_a_name_that_the_user_wrote_short_stays_as_written(
    clean_engine: DockerEngine, runtime: Runtime, registry: Registry
) -> None:
    written = registry.reference("steps/short")
    make_image(clean_engine, f"{written}:latest", labels={"build": "1"})
    digest = make_image(None, f"{written}:latest", labels={"build": "2"})
    run_docker(clean_engine, "run", "--detach", "--name", "web", written)
    perform_all(runtime, request_for("web", written, digest))
    assert runtime.inspect("web")["Config"]["Image"] == written
    assert runtime.inspect("web")["Config"]["Labels"] == {"build": "2"}


def test_compose_sees_the_image_that_it_now_has(
    clean_engine: DockerEngine, runtime: Runtime, images: tuple[str, str, str]
) -> None:
    old, new, digest = images
    note = f"com.docker.compose.image={clean_engine.client.images.get(old).id}"
    run_docker(clean_engine, "run", "--detach", "--name", "web", "--label", note, old)
    perform_all(runtime, request_for("web", new, digest))
    after = runtime.inspect("web")
    assert after["Config"]["Labels"]["com.docker.compose.image"] == after["Image"]


def test_a_stopped_container_is_replaced_and_stays_stopped(swapping: Swapping) -> None:
    swapping.runtime.stop("web", SOON)
    plan, results = perform_all(swapping.runtime, swapping.request, finish=False)
    assert set(swapping.containers().values()) == {"exited", "created"}
    revert_all(swapping.runtime, swapping.request, plan, results)
    assert swapping.containers() == {"web": "exited"}


def test_an_old_one_that_is_kept_is_there_for_a_later_way_back(swapping: Swapping) -> None:
    request = replace(swapping.request, keep_old=True)
    plan, results = perform_all(swapping.runtime, request)
    assert "remove_old" not in [step.name for step in plan.steps]
    kept = [each for each in swapping.runtime.containers() if each.details.get("role") == "old"]
    assert [each.runtime_id for each in kept] == [swapping.before["Id"]]
    revert_all(swapping.runtime, request, plan, results)
    assert swapping.runtime.inspect("web")["Id"] == swapping.before["Id"]


def test_a_new_one_that_does_not_start_is_a_lasting_failure_and_undone(
    swapping: Swapping, registry: Registry
) -> None:
    broken = registry.reference("steps/app:broken")
    digest = make_image(None, broken, entrypoint=["/no/such/program"])
    volumes = swapping.volumes()
    request = request_for("web", broken, digest, stop_timeout=SOON)
    swapping.request, swapping.plan = request, swapping.runtime.plan_replacement(request)
    with pytest.raises(PermanentError):
        swapping.perform(*UNDOABLE)
    swapping.revert(*reversed(UNDOABLE))
    assert_as_before(swapping, volumes)


def test_a_new_one_that_was_only_half_made_is_completed(swapping: Swapping) -> None:
    """As after a kill between its creation and the connection of its second network."""
    make_network(swapping.engine, "back", part=1)
    run_docker(swapping.engine, *["network", "connect", "--alias", "api", "back", "web"])
    swapping.plan = swapping.runtime.plan_replacement(swapping.request)
    swapping.perform("pull", "create")
    new = swapping.results["create"]["id"]
    run_docker(swapping.engine, "network", "disconnect", "back", new)
    swapping.perform("create")
    assert swapping.results["create"]["id"] == new
    assert set(swapping.runtime.inspect(new)["NetworkSettings"]["Networks"]) == {"front", "back"}


def test_a_stop_that_the_engine_is_still_at_is_waited_for_and_undone(
    clean_engine: DockerEngine, runtime: Runtime, images: tuple[str, str, str]
) -> None:
    """As after a kill while the old one is being stopped: the engine goes on, and would end what was started again."""
    old, new, digest = images
    deaf = ("sh", "-c", "trap '' TERM; while :; do sleep 1; done")
    run_docker(clean_engine, "run", "--detach", "--name", "web", old, *deaf)
    request = request_for("web", new, digest, stop_timeout=timedelta(seconds=2))
    plan = runtime.plan_replacement(request)
    with DockerRuntime(address_of(clean_engine)) as hasty, pytest.raises(UnreachableError):
        hasty._engine.post("/containers/web/stop", query={"t": "2"}, wait=0.5 - hasty.address.timeout)
    wait_until(lambda: bool(signals_to(clean_engine, "web")), what="the engine did not begin to stop it")
    runtime.revert("stop", request, plan.document, {})
    assert runtime.state("web").status == "running"
    assert runtime.inspect("web")["State"]["FinishedAt"] > runtime.inspect("web")["Created"]


def signals_to(engine: DockerEngine, name: str) -> list[str]:
    """What the engine tells of them up to now."""
    number = run_docker(engine, "inspect", "--format", "{{.Id}}", name)
    events = ("events", "--since", "10m", "--until", "0s")
    filters = ("--filter", f"container={number}", "--filter", "event=kill")
    return run_docker(engine, *events, *filters).splitlines()


def test_an_old_one_that_the_engine_started_again_is_not_pushed_aside(swapping: Swapping) -> None:
    """An engine that dies before the policy is taken away brings it back, and it writes data again: undo is right."""
    volumes = swapping.volumes()
    swapping.perform("pull", "create", "stop")
    swapping.engine.kill()
    swapping.engine.start()
    assert swapping.containers()["web"] == "running"
    with pytest.raises(RefusedError, match="runs again"):
        swapping.perform("disarm", "set_aside", "take_name", "start")
    swapping.revert(*reversed(UNDOABLE))
    assert_as_before(swapping, volumes)


@pytest.mark.parametrize("done", [2, *range(4, len(STEPS))])
def test_an_engine_that_dies_in_between_starts_one_of_them_at_most(swapping: Swapping, done: int) -> None:
    swapping.perform(*STEPS[:done])
    swapping.engine.kill()
    swapping.engine.start()
    running = [name for name, state in swapping.containers().items() if state == "running"]
    assert len(running) <= 1
    swapping.perform(*STEPS[done:])
    assert swapping.containers() == {"web": "running"}
    assert swapping.runtime.inspect("web")["Config"]["Labels"] == {"build": "2"}


def test_a_container_that_somebody_else_replaced_is_left_alone(swapping: Swapping) -> None:
    swapping.perform("pull")
    run_docker(swapping.engine, "rm", "--force", "web")
    run_docker(swapping.engine, "run", "--detach", "--name", "web", swapping.old_reference)
    theirs = swapping.runtime.inspect("web")["Id"]
    with pytest.raises(RefusedError, match="planned"):
        swapping.perform("create")
    with pytest.raises(NotFoundError):
        swapping.revert("start", "take_name", "set_aside")
    swapping.revert("create")
    assert swapping.runtime.inspect("web")["Id"] == theirs
    assert swapping.containers() == {"web": "running"}


def test_what_is_left_of_another_attempt_is_replaced(swapping: Swapping) -> None:
    beside = f"uptainer-new-web-{swapping.before['Id'][:12]}"
    run_docker(swapping.engine, "create", "--name", beside, swapping.old_reference)
    swapping.perform(*STEPS)
    assert swapping.runtime.inspect("web")["Config"]["Labels"] == {"build": "2"}


@pytest.mark.parametrize(
    ("options", "afterwards", "reason"),
    [
        (["--rm"], None, "--rm"),
        ([], "pause", "paused"),
        (["--label", "com.docker.swarm.service.id=x"], None, "Swarm"),
    ],
    ids=["removed when stopped", "paused", "of a swarm"],
)
def test_what_could_not_come_back_is_refused_before_anything_is_touched(
    *,
    clean_engine: DockerEngine,
    runtime: Runtime,
    images: tuple[str, str, str],
    options: list[str],
    afterwards: str | None,
    reason: str,
) -> None:
    old, new, digest = images
    run_docker(clean_engine, "run", "--detach", "--name", "web", *options, old)
    if afterwards:
        run_docker(clean_engine, afterwards, "web")
    with pytest.raises(RefusedError, match=reason):
        runtime.plan_replacement(request_for("web", new, digest))


def test_an_unknown_container_step_and_an_image_without_digest_are_refused(swapping: Swapping) -> None:
    with pytest.raises(NotFoundError):
        swapping.runtime.plan_replacement(replace(swapping.request, key="nobody"))
    with pytest.raises(InvalidInputError, match="digest"):
        swapping.runtime.plan_replacement(replace(swapping.request, image=swapping.request.tag))
    with pytest.raises(InvalidInputError, match="no step"):
        swapping.perform("fly")


def test_a_platform_that_the_image_is_not_for_is_refused(swapping: Swapping) -> None:
    swapping.request = replace(swapping.request, platform=Platform.parse("linux/arm64"))
    with pytest.raises(PermanentError):
        swapping.perform("pull")


def test_an_image_that_the_registry_does_not_have_is_not_found(swapping: Swapping) -> None:
    swapping.request = replace(
        swapping.request, image=swapping.request.image.with_digest("sha256:" + "0" * 64)
    )
    with pytest.raises(NotFoundError):
        swapping.perform("pull")


def test_credentials_are_used_for_the_pull_and_kept_nowhere(
    clean_engine: DockerEngine, runtime: Runtime, basic_auth_registry: Registry
) -> None:
    login = basic_auth_registry.credentials
    assert login
    old, new = basic_auth_registry.reference("private/app:1"), basic_auth_registry.reference("private/app:2")
    make_image(clean_engine, old, login=login)
    digest = make_image(None, new, login=login, labels={"build": "2"})
    run_docker(clean_engine, "run", "--detach", "--name", "web", old)
    auth = {"username": login[0], "password": login[1]}
    request = request_for("web", new, digest, registry_auth=auth)
    plan, results = perform_all(runtime, request)
    assert login[1] not in repr((plan, results))
    assert runtime.inspect("web")["Config"]["Labels"] == {"build": "2"}


def test_a_mac_address_that_the_user_chose_stays(
    clean_engine: DockerEngine, runtime: Runtime, images: tuple[str, str, str]
) -> None:
    old, new, digest = images
    made = clean_engine.client.api.create_container(old, name="web", mac_address="02:11:22:33:44:55")
    clean_engine.client.api.start(made)
    perform_all(runtime, request_for("web", new, digest))
    assert runtime.inspect("web")["NetworkSettings"]["MacAddress"] == "02:11:22:33:44:55"


def test_several_networks_are_there_from_the_first_moment(
    clean_engine: DockerEngine, runtime: Runtime, registry: Registry
) -> None:
    look = ("/bin/sh", "-c", "ls /sys/class/net > /seen; sleep 1000")
    old, new = registry.reference("steps/look:1"), registry.reference("steps/look:2")
    make_image(clean_engine, old, cmd=look)
    digest = make_image(None, new, cmd=look, labels={"build": "2"})
    make_network(clean_engine, "front")
    back = make_network(clean_engine, "back", part=1)
    run_docker(clean_engine, *f"create --name web --network front --network-alias w {old}".split())
    run_docker(clean_engine, *["network", "connect", "--ip", f"{back}.9", "--alias", "api", "back", "web"])
    run_docker(clean_engine, "start", "web")
    before = dict(runtime.inspect("web"))
    perform_all(runtime, request_for("web", new, digest, stop_timeout=timedelta(0)))
    assert comparable(dict(runtime.inspect("web")), {"build": ""}) == comparable(before, {})
    look_in = ("exec", "web", "sh", "-c", "cat /seen 2>/dev/null || true")
    wait_until(lambda: bool(run_docker(clean_engine, *look_in)), what="it did not look")
    assert run_docker(clean_engine, *look_in).split() == ["eth0", "eth1", "lo"]


def test_a_network_that_the_container_left_is_not_joined_again(
    clean_engine: DockerEngine, runtime: Runtime, images: tuple[str, str, str]
) -> None:
    old, new, digest = images
    make_network(clean_engine, "front")
    run_docker(clean_engine, "run", "--detach", "--name", "web", old)
    run_docker(clean_engine, "network", "disconnect", "bridge", "web")
    run_docker(clean_engine, "network", "connect", "front", "web")
    perform_all(runtime, request_for("web", new, digest))
    assert list(runtime.inspect("web")["NetworkSettings"]["Networks"]) == ["front"]


def test_the_new_images_defaults_come_through_and_the_users_settings_stay(
    clean_engine: DockerEngine, runtime: Runtime, registry: Registry
) -> None:
    old, new = registry.reference("steps/defaults:1"), registry.reference("steps/defaults:2")
    check = {"Test": ["CMD", "/bin/true"], "Interval": 10_000_000_000, "Retries": 3}
    make_image(
        clean_engine,
        old,
        env={"VERSION": "1", "MODE": "a", "GONE": "x"},
        labels={"v": "1"},
        healthcheck=check,
    )
    digest = make_image(
        None,
        new,
        env={"VERSION": "2", "MODE": "b"},
        labels={"v": "2"},
        healthcheck={**check, "Retries": 7},
        cmd=("/bin/sleep", "999"),
        config={"User": "65534", "WorkingDir": "/tmp", "StopSignal": "SIGINT"},
    )
    options = ("--env", "MODE=mine", "--label", "own=1", "--health-interval", "20s")
    run_docker(clean_engine, "run", "--detach", "--name", "web", *options, old)
    perform_all(runtime, request_for("web", new, digest))
    config = runtime.inspect("web")["Config"]
    assert set(config["Env"]) == {"PATH=/bin", "VERSION=2", "MODE=mine"}
    assert config["Labels"] == {"v": "2", "own": "1"}
    assert config["Healthcheck"] == {**check, "Interval": 20_000_000_000, "Retries": 7}
    assert config["Cmd"] == ["/bin/sleep", "999"]
    assert (config["User"], config["WorkingDir"], config["StopSignal"]) == ("65534", "/tmp", "SIGINT")


def test_an_image_that_no_registry_has_is_still_a_way_back(
    clean_engine: DockerEngine, runtime: Runtime, images: tuple[str, str, str]
) -> None:
    _, new, digest = images
    load_image(clean_engine, "local/only:1", build_image(labels={"build": "local"}))
    run_docker(clean_engine, "run", "--detach", "--name", "web", "local/only:1")
    request = request_for("web", new, digest)
    plan, results = perform_all(runtime, request, finish=False)
    revert_all(runtime, request, plan, results)
    assert runtime.inspect("web")["Config"]["Labels"] == {"build": "local"}
