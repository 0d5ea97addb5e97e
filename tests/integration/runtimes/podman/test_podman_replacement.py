"""Replacing a container on Podman, and taking it back from wherever it stopped: as root and as a user."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.lab.images import make_image
from tests.lab.podman import PodmanEngine
from tests.lab.registry import Registry
from tests.lab.replacing import perform_all, request_for, revert_all
from uptainer.core.enums import ConnectionType, ContainerStatus, RuntimeType
from uptainer.core.errors import NotFoundError, PermanentError, RefusedError
from uptainer.core.workloads import HostAddress
from uptainer.runtimes.connections import connect
from uptainer.runtimes.port import ReplacementRequest, Runtime

STEPS = ["pull", "create", "stop", "set_aside", "take_name", "start"]


@dataclass(frozen=True, slots=True)
class Ground:
    engine: PodmanEngine
    runtime: Runtime
    old: str
    new: str
    digest: str

    def request(self, key: str = "web", **options: Any) -> ReplacementRequest:
        return request_for(key, self.new, self.digest, **options)

    def run(self, *options: str, name: str = "web", reference: str | None = None) -> str:
        return self.engine.podman("run", "--detach", "--name", name, *options, reference or self.old)

    def names(self) -> list[str]:
        return sorted(self.engine.podman("ps", "--all", "--format", "{{.Names}}").splitlines())

    def volumes(self) -> list[str]:
        return sorted(self.engine.podman("volume", "ls", "--quiet").splitlines())


@pytest.fixture(scope="module", params=["podman_engine", "rootless_podman_engine"])
def everywhere(request: pytest.FixtureRequest, registry: Registry) -> Iterator[Ground]:
    yield from _ground(request.getfixturevalue(request.param), registry)


@pytest.fixture(scope="module")
def as_root(podman_engine: PodmanEngine, registry: Registry) -> Iterator[Ground]:
    yield from _ground(podman_engine, registry)


def _ground(engine: PodmanEngine, registry: Registry) -> Iterator[Ground]:
    old, new = registry.reference("podrep/app:1.0.0"), registry.reference("podrep/app:1.0.1")
    make_image(engine, old, labels={"build": "1"}, config={"Volumes": {"/declared": {}}})
    digest = make_image(engine, new, labels={"build": "2"}, pull=False, config={"Volumes": {"/declared": {}}})
    address = HostAddress("lab", RuntimeType.PODMAN, ConnectionType.UNIX, engine.url)
    with connect(address) as runtime:
        yield Ground(engine, runtime, old, new, digest)


@pytest.fixture(autouse=True)
def _clean(request: pytest.FixtureRequest) -> Iterator[None]:
    name = "everywhere" if "everywhere" in request.fixturenames else "as_root"
    ground: Ground = request.getfixturevalue(name)
    ground.engine.clear()
    yield
    ground.engine.clear()


def test_a_container_is_replaced_by_exactly_the_approved_image(everywhere: Ground) -> None:
    everywhere.run("--volume", "data:/data", "--restart", "always")
    before = everywhere.runtime.state("web")
    volumes = everywhere.volumes()
    perform_all(everywhere.runtime, everywhere.request())
    after = everywhere.runtime.state("web")
    assert after.status is ContainerStatus.RUNNING
    assert after.runtime_id != before.runtime_id
    image = everywhere.runtime.image(str(everywhere.request().image))
    assert after.image_id == image.image_id
    assert any(each.endswith(everywhere.digest) for each in image.repo_digests)
    assert (everywhere.names(), everywhere.volumes()) == (["web"], volumes)
    assert everywhere.runtime.inspect("web")["ImageName"] == everywhere.new


@pytest.mark.parametrize("last", STEPS)
def test_a_replacement_is_taken_back_from_wherever_it_stopped(as_root: Ground, last: str) -> None:
    as_root.run("--volume", "data:/data")
    before, volumes = as_root.runtime.state("web"), as_root.volumes()
    request = as_root.request()
    plan = as_root.runtime.plan_replacement(request)
    results: dict[str, Any] = {}
    for step in plan.steps:
        results[step.name] = as_root.runtime.perform(step.name, request, plan.document, results)
        again = as_root.runtime.perform(step.name, request, plan.document, results)
        assert again == results[step.name]
        if step.name == last:
            break
    del results[last]  # its process died before it could note what it had done
    for _ in range(2):
        revert_all(as_root.runtime, request, plan, results)
    after = as_root.runtime.state("web")
    assert (after.runtime_id, after.status) == (before.runtime_id, ContainerStatus.RUNNING)
    assert (as_root.names(), as_root.volumes()) == (["web"], volumes)


def test_a_container_that_does_not_run_is_replaced_and_left_so(as_root: Ground) -> None:
    as_root.engine.podman("create", "--name", "web", as_root.old)
    perform_all(as_root.runtime, as_root.request())
    assert as_root.runtime.state("web").status is ContainerStatus.CREATED
    assert as_root.runtime.inspect("web")["Config"]["Labels"]["build"] == "2"


def test_who_depends_on_the_container_is_made_again_with_it(as_root: Ground) -> None:
    as_root.run("--volume", "/provided")
    as_root.run("--network", "container:web", name="sidecar")
    as_root.run("--requires", "sidecar", name="second")
    as_root.run("--volumes-from", "web", name="reader")
    needs = {each.key: each.depends_on for each in as_root.runtime.containers()}
    assert needs == {"web": (), "sidecar": ("web",), "second": ("sidecar",), "reader": ("web",)}
    plan, results = perform_all(as_root.runtime, as_root.request(), finish=False)
    assert {each.key for each in plan.affected} == {"sidecar", "second", "reader"}
    assert _dependencies(as_root) == {"sidecar": ["web"], "second": ["sidecar"], "reader": []}
    revert_all(as_root.runtime, as_root.request(), plan, results)
    assert _dependencies(as_root) == {"sidecar": ["web"], "second": ["sidecar"], "reader": []}
    perform_all(as_root.runtime, as_root.request())
    assert as_root.names() == ["reader", "second", "sidecar", "web"]
    assert all(as_root.runtime.state(name).status is ContainerStatus.RUNNING for name in as_root.names())


def _dependencies(ground: Ground) -> dict[str, list[str]]:
    ids = {ground.runtime.state(name).runtime_id: name for name in ground.names()}
    found = {name: ground.runtime.inspect(name)["Dependencies"] for name in ("sidecar", "second", "reader")}
    return {name: [ids[each] for each in depends] for name, depends in found.items()}


def test_a_secret_in_the_environment_stays_a_secret(as_root: Ground, tmp_path: Path) -> None:
    """Inspecting shows its value among the variables, and a new one must come through."""
    secret = tmp_path / "secret"
    secret.write_text("first")
    as_root.engine.podman("secret", "create", "token", str(secret))
    as_root.run("--secret", "token,type=env,target=TOKEN")
    secret.write_text("second")
    as_root.engine.podman("secret", "rm", "token")
    as_root.engine.podman("secret", "create", "token", str(secret))
    plan, _ = perform_all(as_root.runtime, as_root.request())
    assert "TOKEN=second" in as_root.runtime.inspect("web")["Config"]["Env"]
    assert "first" not in json.dumps(plan.document)


REFUSED = [
    ("--rm", "stopping it removes it"),
    ("--volume data:/data:U", "(O, U, idmap)"),
    (
        "--label PODMAN_SYSTEMD_UNIT=not-there.service --volume kept:/declared",
        "belongs to the unit not-there.service",
    ),
]


@pytest.mark.parametrize(("options", "reason"), REFUSED, ids=[options for options, _ in REFUSED])
def test_what_would_be_lost_is_refused_before_anything_is_touched(
    as_root: Ground, options: str, reason: str
) -> None:
    as_root.engine.podman("create", "--name", "web", *options.split(), as_root.old)
    label = "PODMAN_SYSTEMD_UNIT" in options
    request = request_for("web", as_root.old, as_root.digest) if label else as_root.request()
    before = as_root.runtime.inspect("web")
    with pytest.raises(RefusedError) as refusal:
        as_root.runtime.plan_replacement(request)
    assert reason in str(refusal.value)
    assert as_root.runtime.inspect("web")["Id"] == before["Id"]


def test_a_container_made_over_the_api_is_refused(as_root: Ground) -> None:
    as_root.engine.client.containers.run(as_root.old, name="web", detach=True)
    with pytest.raises(RefusedError, match="was not made by `podman run`"):
        as_root.runtime.plan_replacement(as_root.request())


def test_an_old_container_that_would_start_at_the_next_boot_is_not_kept(as_root: Ground) -> None:
    as_root.run("--restart", "always")
    with pytest.raises(RefusedError, match="at the next boot"):
        as_root.runtime.plan_replacement(as_root.request(keep_old=True))


def test_who_depends_on_it_is_not_kept_to_start_at_the_next_boot_either(as_root: Ground) -> None:
    as_root.run()
    as_root.run("--restart", "always", "--network", "container:web", name="side")
    with pytest.raises(RefusedError, match="the old side can't be kept"):
        as_root.runtime.plan_replacement(as_root.request(keep_old=True))


def test_a_paused_container_is_left_paused(as_root: Ground) -> None:
    as_root.run()
    as_root.runtime.pause("web")
    with pytest.raises(RefusedError, match="paused"):
        as_root.runtime.plan_replacement(as_root.request())


def test_an_image_that_is_not_there_is_told_before_the_container_is_touched(as_root: Ground) -> None:
    as_root.run()
    request = request_for("web", as_root.new, f"sha256:{'0' * 64}")
    plan = as_root.runtime.plan_replacement(request)
    with pytest.raises(NotFoundError, match="can't be pulled"):
        as_root.runtime.perform("pull", request, plan.document, {})


def test_a_container_that_can_not_start_says_why(as_root: Ground, registry: Registry) -> None:
    as_root.run()
    broken = registry.reference("podrep/app:1.0.2")
    digest = make_image(None, broken, cmd=["/not-there"])
    request = request_for("web", broken, digest)
    with pytest.raises(PermanentError, match="not-there"):
        perform_all(as_root.runtime, request)


def test_a_backed_up_configuration_makes_the_container_again(as_root: Ground) -> None:
    as_root.run("--volume", "data:/data", "--sysctl", "net.core.somaxconn=300", "--hostname", "shop")
    saved = json.loads(json.dumps(as_root.runtime.configuration("web")))
    as_root.engine.clear()
    assert as_root.runtime.create_from(saved) == "web"
    as_root.runtime.start("web")
    made = as_root.runtime.inspect("web")
    assert made["Config"]["Hostname"] == "shop"
    assert "--sysctl" in made["Config"]["CreateCommand"]
    assert as_root.volumes() == sorted({"data", *(each["Name"] for each in made["Mounts"])})
