"""A pod is one workload: one of its containers is replaced inside it, and the others go down and up with it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab.images import make_image
from tests.lab.podman import PodmanEngine
from tests.lab.registry import Registry
from tests.lab.replacing import perform_all, request_for, revert_all
from uptainer.core.enums import ConnectionType, ContainerStatus, RuntimeType
from uptainer.core.errors import RefusedError
from uptainer.core.workloads import HostAddress
from uptainer.runtimes.connections import connect
from uptainer.runtimes.port import ReplacementRequest, Runtime


class Pod:
    """`shop` with `web`, `db` and the init container `setup`, which notes each of its runs in a volume."""

    def __init__(self, engine: PodmanEngine, runtime: Runtime, registry: Registry) -> None:
        self.engine, self.runtime = engine, runtime
        self.old, self.new = registry.reference("podpod/app:1.0.0"), registry.reference("podpod/app:1.0.1")
        make_image(engine, self.old, labels={"build": "1"})
        self.digest = make_image(engine, self.new, labels={"build": "2"}, pull=False)
        engine.podman("pod", "create", "--name", "shop")
        note = "echo ran >> /notes/runs"
        engine.podman(
            *(
                "create",
                "--pod",
                "shop",
                "--name",
                "setup",
                "--init-ctr",
                "always",
                "--volume",
                "notes:/notes",
            ),
            *(self.old, "/bin/sh", "-c", note),
        )
        for name in ("web", "db"):
            engine.podman("create", "--pod", "shop", "--name", name, self.old)
        engine.podman("pod", "start", "shop")

    def request(self, key: str = "web", **options: Any) -> ReplacementRequest:
        return request_for(key, self.new, self.digest, **options)

    def shown(self) -> dict[str, str]:
        """Each container of the pod with its state, and whose image it has."""
        pod = json.loads(self.engine.podman("pod", "inspect", "shop"))
        names = [each["Name"] for each in pod["Containers"] if each["Id"] != pod["InfraContainerID"]]
        return {name: self.runtime.state(name).status.value + self._build(name) for name in names}

    def _build(self, name: str) -> str:
        return " " + str(self.runtime.inspect(name)["Config"]["Labels"]["build"])

    def infra(self) -> str:
        return str(json.loads(self.engine.podman("pod", "inspect", "shop"))["InfraContainerID"])

    def runs_of_init(self) -> int:
        mount = self.engine.podman("volume", "inspect", "--format", "{{.Mountpoint}}", "notes")
        with open(f"{mount}/runs") as notes:  # noqa: PTH123 -- one line, and closed at once
            return len(notes.readlines())


@pytest.fixture
def pod(podman_engine: PodmanEngine, registry: Registry) -> Iterator[Pod]:
    podman_engine.clear()
    address = HostAddress("lab", RuntimeType.PODMAN, ConnectionType.UNIX, podman_engine.url)
    with connect(address) as runtime:
        yield Pod(podman_engine, runtime, registry)
    podman_engine.clear()


BEFORE = {"setup": "exited 1", "web": "running 1", "db": "running 1"}


def test_a_pod_is_one_workload_and_what_holds_it_together_is_none(pod: Pod) -> None:
    found = {each.key: each for each in pod.runtime.containers()}
    assert set(found) == {"setup", "web", "db"}
    assert {(each.workload, each.workload_kind) for each in found.values()} == {("pod/shop", "pod")}


def test_one_container_is_replaced_inside_its_pod_and_init_containers_run_again(pod: Pod) -> None:
    infra = pod.infra()
    plan, _ = perform_all(pod.runtime, pod.request())
    assert pod.shown() == {"setup": "exited 1", "web": "running 2", "db": "running 1"}
    assert (pod.infra(), pod.runs_of_init()) == (infra, 2)
    assert [each.key for each in plan.affected if each.running] == ["db"]


def test_an_undone_replacement_leaves_the_same_containers_running(pod: Pod) -> None:
    ids = {name: pod.runtime.state(name).runtime_id for name in BEFORE}
    plan, results = perform_all(pod.runtime, pod.request(), finish=False)
    revert_all(pod.runtime, pod.request(), plan, results)
    assert pod.shown() == BEFORE
    assert {name: pod.runtime.state(name).runtime_id for name in BEFORE} == ids


def test_an_init_container_is_replaced_while_its_pod_is_stopped(pod: Pod) -> None:
    with pytest.raises(RefusedError, match="takes one into a stopped pod only"):
        pod.runtime.plan_replacement(pod.request("setup"))
    pod.engine.podman("pod", "stop", "--time", "2", "shop")
    perform_all(pod.runtime, pod.request("setup"))
    pod.engine.podman("pod", "start", "shop")
    assert pod.shown() == {"setup": "exited 2", "web": "running 1", "db": "running 1"}
    assert pod.runs_of_init() == 2


def test_a_stopped_pod_stays_stopped(pod: Pod) -> None:
    pod.engine.podman("pod", "stop", "--time", "2", "shop")
    perform_all(pod.runtime, pod.request())
    assert pod.shown() == {"setup": "exited 1", "web": "created 2", "db": "exited 1"}
    pod.engine.podman("pod", "start", "shop")
    assert pod.runtime.state("web").status is ContainerStatus.RUNNING


def test_the_old_container_can_not_be_kept_in_a_pod(pod: Pod) -> None:
    with pytest.raises(RefusedError, match="its pod would start it beside the new one"):
        pod.runtime.plan_replacement(pod.request(keep_old=True))
    assert pod.shown() == BEFORE


def test_a_pod_made_from_yaml_is_left_to_its_yaml(pod: Pod) -> None:
    pod.engine.podman("pod", "rm", "--force", "--time", "0", "shop")
    container = {"name": "web", "image": pod.old}
    manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "played"},
        "spec": {"containers": [container]},
    }
    path = pod.engine.directory / "pod.yml"
    path.write_text(json.dumps(manifest))
    pod.engine.podman("play", "kube", str(path))
    with pytest.raises(RefusedError, match="podman kube play"):
        pod.runtime.plan_replacement(pod.request("played-web"))
