"""Workloads of a real cluster, operated as a person would ask."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.integration.runtimes.kubernetes.manifests import cron_job, job_of, pod_spec, workload
from tests.lab.images import SLEEP, build_image, push_image
from tests.lab.kubernetes import Cluster as Lab
from tests.lab.registry import Registry
from tests.lab.room import wait_until
from uptainer.core.enums import ConnectionType, ContainerStatus, RuntimeType
from uptainer.core.errors import (
    InvalidInputError,
    NotFoundError,
    PermanentError,
    RefusedError,
    TemporaryError,
    UnsupportedError,
)
from uptainer.core.secrets import ClusterSecret
from uptainer.core.workloads import HostAddress
from uptainer.runtimes.kubernetes.runtime import KubernetesRuntime

MINUTE = timedelta(minutes=1)
GREETING = f"echo one; echo two >&2; echo three; {SLEEP[-1]}"


class Place:
    def __init__(self, lab: Lab, registry: Registry, namespace: str) -> None:
        self.lab = lab
        self.namespace = namespace
        self.image = registry.reference("operated/app:1.0.0")
        push_image(registry.url, "operated/app:1.0.0", build_image(cmd=["/bin/sh", "-c", GREETING]))
        address = HostAddress(
            "kube", RuntimeType.KUBERNETES, ConnectionType.TOKEN, lab.url, namespaces=(namespace,)
        )
        self.runtime = KubernetesRuntime(
            address, ClusterSecret(token=lab.token, ca=lab.authority.read_text())
        )

    def deploy(self, kind: str, name: str, spec: dict[str, Any] | None = None, **settings: Any) -> str:
        manifest = workload(kind, name, spec or pod_spec(self.image), **settings)
        self.lab.apply(manifest, namespace=self.namespace)
        self.lab.wait_rolled_out(kind, name, namespace=self.namespace)
        return f"{self.namespace}/{kind.lower()}/{name}/app"

    def get(self, kind: str, name: str, api: str = "apps/v1") -> dict[str, Any]:
        return self.lab.get(api, kind, name, namespace=self.namespace)

    def pods(self, name: str) -> list[dict[str, Any]]:
        return self.lab.all_of("v1", "Pod", namespace=self.namespace, labels=f"app={name}")


@pytest.fixture(scope="module")
def place(kubernetes_cluster: Lab, registry: Registry) -> Iterator[Place]:
    with kubernetes_cluster.namespace() as namespace:
        made = Place(kubernetes_cluster, registry, namespace)
        with made.runtime:
            yield made


@pytest.fixture(scope="module")
def web(place: Place) -> str:
    return place.deploy("Deployment", "web", replicas=2)


def test_a_command_tells_what_it_wrote_and_how_it_ended(place: Place, web: str) -> None:
    done = place.runtime.execute(web, ["sh", "-c", "echo out; echo err >&2; exit 3"], MINUTE)
    assert (done.exit_code, sorted(done.output.split())) == (3, ["err", "out"])
    assert place.runtime.execute(web, ["true"], MINUTE).exit_code == 0


def test_of_a_long_output_the_beginning_is_kept(place: Place, web: str) -> None:
    command = "echo begin; i=0; while [ $i -lt 20000 ]; do echo {}; i=$((i+1)); done".format("x" * 100)
    done = place.runtime.execute(web, ["sh", "-c", command], MINUTE)
    assert done.exit_code == 0
    assert done.output.startswith("begin")
    assert len(done.output) == 1 << 20


def test_a_command_that_does_not_end_costs_its_own_timeout(place: Place, web: str) -> None:
    with pytest.raises(TemporaryError, match=r"did not end in 0\.5 s, and may still run"):
        place.runtime.execute(web, ["sh", "-c", "sleep 30"], timedelta(seconds=0.5))


def test_a_program_that_is_not_there_is_no_success(place: Place, web: str) -> None:
    done = place.runtime.execute(web, ["no-such-program"], MINUTE)
    assert done.exit_code in (126, 127)
    assert "no-such-program" in done.output


def test_a_container_that_is_not_there_is_not_found(place: Place, web: str) -> None:
    with pytest.raises(NotFoundError, match="no container named nobody, only app"):
        place.runtime.execute(web.replace("/app", "/nobody"), ["true"], MINUTE)
    with pytest.raises(NotFoundError, match="namespace/kind/name/container"):
        place.runtime.state("web")


def test_logs_are_the_last_lines_of_both_streams(place: Place, web: str) -> None:
    assert sorted(place.runtime.logs(web, tail=10).split()) == ["one", "three", "two"]
    assert len(place.runtime.logs(web, tail=1).splitlines()) == 1
    assert place.runtime.logs(web, tail=10, since=datetime.now(UTC) + timedelta(hours=1)) == ""


def test_a_crashing_container_leaves_its_last_words(place: Place) -> None:
    spec = pod_spec(place.image)
    spec["containers"][0]["command"] = ["/bin/sh", "-c", "echo farewell; exit 4"]
    manifest = workload("Deployment", "crashing", spec, replicas=1)
    place.lab.apply(manifest, namespace=place.namespace)
    key = f"{place.namespace}/deployment/crashing/app"
    wait_until(lambda: place.runtime.state(key).restart_count > 0, what="it did not crash", timeout=240)
    assert "farewell" in place.runtime.logs(key, tail=5)
    wait_until(
        lambda: place.runtime.state(key).status is ContainerStatus.RESTARTING,
        what="it did not back off",
        timeout=240,
    )
    with pytest.raises(
        RefusedError, match=r"no pod that runs now: (CrashLoopBackOff|it ended with status 4)"
    ):
        place.runtime.execute(key, ["true"], MINUTE)
    place.lab.delete("apps/v1", "Deployment", "crashing", namespace=place.namespace)


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_what_is_stopped_is_started_with_as_many_pods_as_it_had(place: Place, kind: str) -> None:
    name = f"stopped-{kind.lower()}"
    key = place.deploy(kind, name, replicas=2)
    place.runtime.stop(key)
    assert not [pod for pod in place.pods(name) if "deletionTimestamp" not in pod["metadata"]]
    assert not [
        each for pod in place.pods(name) for each in pod["status"]["containerStatuses"] if each["ready"]
    ]
    assert place.runtime.state(key).status is ContainerStatus.EXITED
    place.runtime.stop(key)
    place.runtime.start(key)
    place.runtime.start(key)
    started = place.get(kind, name)
    assert started["spec"]["replicas"] == 2
    assert "uptainer.io/replicas" not in started["metadata"].get("annotations", {})
    place.runtime.remove(key, force=True)


def test_a_restart_replaces_every_pod(place: Place, web: str) -> None:
    before = {pod["metadata"]["uid"] for pod in place.pods("web")}
    place.runtime.restart(web)
    wait_until(
        lambda: not before & {pod["metadata"]["uid"] for pod in place.pods("web")},
        what="web was not restarted",
        timeout=240,
    )


def test_a_restart_that_would_do_nothing_is_refused(place: Place) -> None:
    key = place.deploy("Deployment", "held", replicas=1)
    place.lab.patch("apps/v1", "Deployment", "held", {"spec": {"paused": True}}, namespace=place.namespace)
    with pytest.raises(RefusedError, match="its rollout is paused"):
        place.runtime.restart(key)
    place.runtime.remove(key, force=True)
    by_hand = place.deploy("DaemonSet", "by-hand", updateStrategy={"type": "OnDelete"})
    with pytest.raises(RefusedError, match="OnDelete"):
        place.runtime.restart(by_hand)
    place.runtime.remove(by_hand, force=True)


def test_what_runs_is_removed_only_by_force(place: Place) -> None:
    key = place.deploy("Deployment", "removed", replicas=1)
    with pytest.raises(RefusedError, match="still runs"):
        place.runtime.remove(key)
    place.runtime.remove(key, force=True)
    idle = place.deploy("Deployment", "idle", replicas=0)
    place.runtime.remove(idle)
    for removed in (key, idle):
        with pytest.raises(NotFoundError):
            place.runtime.state(removed)


def test_a_workload_is_made_again_from_its_configuration_and_waits_to_be_started(place: Place) -> None:
    key = place.deploy("StatefulSet", "kept", replicas=2, annotations={"note": "mine"})
    before = place.get("StatefulSet", "kept")
    kept = dict(place.runtime.configuration(key))
    place.runtime.remove(key, force=True)
    assert place.runtime.create_from(kept) == key
    made = place.get("StatefulSet", "kept")
    assert made["spec"]["replicas"] == 0
    assert made["metadata"]["annotations"]["note"] == "mine"
    assert made["spec"]["template"] == before["spec"]["template"]
    with pytest.raises(PermanentError, match="already exists"):
        place.runtime.create_from(kept)
    place.runtime.start(key)
    assert place.get("StatefulSet", "kept")["spec"]["replicas"] == 2
    place.runtime.remove(key, force=True)
    other = key.replace("kept", "other")
    assert place.runtime.create_from(kept, name=other) == other
    place.runtime.remove(other, force=True)
    with pytest.raises(InvalidInputError, match="not the saved configuration"):
        place.runtime.create_from({"version": 1, "runtime": "docker"})


def test_a_cron_job_is_stopped_and_started_and_its_jobs_are_read(place: Place) -> None:
    made = place.lab.create(cron_job("nightly", pod_spec(place.image)), namespace=place.namespace)
    key = f"{place.namespace}/cronjob/nightly/app"
    with pytest.raises(RefusedError, match="no pod that has started"):
        place.runtime.logs(key, tail=5)
    place.lab.create(job_of(made, "by-hand"), namespace=place.namespace)
    wait_until(lambda: "three" in _logs_or_nothing(place, key), what="the job did not run", timeout=240)
    place.runtime.stop(key)
    assert place.runtime.state(key).status is ContainerStatus.EXITED
    place.runtime.start(key)
    assert place.runtime.state(key).status is ContainerStatus.RUNNING
    kept = dict(place.runtime.configuration(key))
    place.runtime.remove(key, force=True)
    assert place.runtime.create_from(kept) == key
    assert place.get("CronJob", "nightly", "batch/v1beta1")["spec"]["suspend"] is True


def test_what_a_kind_can_not_do_is_refused_by_its_reason(place: Place) -> None:
    key = place.deploy("DaemonSet", "agent")
    for operation in (place.runtime.pause, place.runtime.stop, place.runtime.start):
        with pytest.raises(UnsupportedError, match="DaemonSet"):
            operation(key)
    with pytest.raises(UnsupportedError, match="run at once"):
        place.runtime.create_from(dict(place.runtime.configuration(key)))
    place.runtime.remove(key, force=True)


def _logs_or_nothing(place: Place, key: str) -> str:
    try:
        return place.runtime.logs(key, tail=5)
    except (RefusedError, InvalidInputError):
        return ""
