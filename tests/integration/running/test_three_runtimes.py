"""One `uptainer up` over a Docker, a Podman and a Kubernetes host: side by side, and each on its own."""

import json
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.lab.console import READY, Console
from tests.lab.docker import DockerEngine
from tests.lab.images import build_image, push_image
from tests.lab.kubernetes import Cluster
from tests.lab.podman import PodmanEngine
from tests.lab.registry import Registry
from tests.lab.room import wait_until
from tests.lab.stands.releases import FOREVER

pytestmark = pytest.mark.timeout(900)
HERE = platform.node()
DOCKER, PODMAN = HERE, f"{HERE}-podman"


@dataclass
class Fleet:
    """`digests` by version. The cluster's host has the name of its context."""

    console: Console
    podman: PodmanEngine
    cluster: Cluster
    namespace: str
    digests: dict[str, str]

    @property
    def cluster_host(self) -> str:
        (name,) = {each["name"] for each in self.json("host", "list")} - {DOCKER, PODMAN}
        return str(name)

    def json(self, *words: str) -> Any:
        answer = self.console.run(*words, "--json")
        return json.loads(answer.stdout)

    def containers(self) -> dict[str, dict[str, Any]]:
        """Ours, by where they are."""
        ours = [line for line in self.json("containers") if "trio" in line["running"]]
        return {line["workload"]: line for line in ours}

    def update(self, workload: str) -> None:
        """Have a person approve what is proposed for it, and wait for its end."""
        (found,) = [line for line in self.json("updates") if line["workload"] == workload]
        approved = self.console.run("approve", str(found["id"]), "--yes", "--reason", "it is time")
        assert approved.returncode == 0, approved.stderr

        def ended() -> bool:
            lines = [line for line in self.json("history") if line["id"] == found["id"]]
            assert all(line["status"] == "succeeded" for line in lines), lines
            return bool(lines)

        wait_until(ended, what=f"update {found['id']} did not end", timeout=240, pause=2)


def _push(registry: Registry, version: str) -> str:
    image = build_image(cmd=("/bin/sh", "-c", FOREVER), labels={"org.opencontainers.image.version": version})
    return push_image(registry.url, f"trio/web:{version}", image)


@pytest.fixture
def fleet(
    make_console: Callable[[], Console],
    clean_engine: DockerEngine,
    podman_engine: PodmanEngine,
    kubernetes_cluster: Cluster,
    registry: Registry,
) -> Iterator[Fleet]:
    digests = {"1.0.0": _push(registry, "1.0.0")}
    image = registry.reference("trio/web:1.0.0")
    podman_engine.clear()
    clean_engine.client.images.pull(image)
    clean_engine.client.containers.run(image, name="web", detach=True)
    podman_engine.podman("run", "--detach", "--name", "web", image)
    with kubernetes_cluster.namespace() as namespace:
        kubernetes_cluster.apply(_deployment(image), namespace=namespace)
        kubernetes_cluster.wait_rolled_out("Deployment", "web", namespace=namespace)
        digests["1.0.1"] = _push(registry, "1.0.1")
        console = make_console()
        yield Fleet(console, podman_engine, kubernetes_cluster, namespace, digests)
        console.close()
    podman_engine.clear()


def _deployment(image: str) -> dict[str, Any]:
    labels = {"app": "web"}
    container = {"name": "app", "image": image, "imagePullPolicy": "IfNotPresent"}
    spec = {"containers": [container], "terminationGracePeriodSeconds": 1}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


def test_three_hosts_are_found_discovered_side_by_side_and_updated_each_in_its_way(
    fleet: Fleet, clean_engine: DockerEngine
) -> None:
    console = fleet.console
    console.start(
        {
            "DOCKER_HOST": clean_engine.url,
            "CONTAINER_HOST": fleet.podman.url,
            "KUBECONFIG": str(fleet.cluster.kubeconfig),
        }
    )
    console.wait_for(READY)
    for said in ("Found Docker", "Found Podman", "Found Kubernetes"):
        console.wait_for(said)
    in_cluster = f"{fleet.cluster_host}/{fleet.namespace}/deployment/web/app"
    everywhere = {f"{DOCKER}/web", f"{PODMAN}/web", in_cluster}
    console.wait_for(f"{PODMAN}/web")
    found = fleet.containers()
    assert set(found) == everywhere
    assert {line["status"] for line in found.values()} == {"running"}
    assert all("1.0.1" in line["candidate"] for line in found.values()), found

    fleet.podman.kill()
    assert console.run("host", "sync").returncode != 0
    hosts = {line["name"]: line for line in fleet.json("host", "list")}
    assert {name: line["answers"] for name, line in hosts.items()} == {
        DOCKER: True,
        PODMAN: False,
        fleet.cluster_host: True,
    }
    assert "is the engine running?" in hosts[PODMAN]["why"]
    statuses = {name: line["status"] for name, line in fleet.containers().items()}
    assert statuses == {f"{DOCKER}/web": "running", f"{PODMAN}/web": "unknown", in_cluster: "running"}

    fleet.update(in_cluster)
    deployment = fleet.cluster.get("apps/v1", "Deployment", "web", namespace=fleet.namespace)
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"].endswith(f"trio/web:1.0.1@{fleet.digests['1.0.1']}")

    fleet.podman.start()
    assert console.run("host", "sync").returncode == 0
    fleet.update(f"{PODMAN}/web")
    assert fleet.digests["1.0.1"] in fleet.podman.podman("inspect", "--format", "{{.ImageDigest}}", "web")

    # The cluster is read last, and does not tell what labels an image has.
    assert console.run("host", "sync").returncode == 0
    now = fleet.containers()
    assert {name: line["version"] for name, line in now.items() if name != f"{DOCKER}/web"} == {
        f"{PODMAN}/web": "1.0.1",
        in_cluster: "1.0.1",
    }
    assert console.press_ctrl_c() == 0
    assert console.processes() == []
