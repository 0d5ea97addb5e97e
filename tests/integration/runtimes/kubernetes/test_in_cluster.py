"""Uptainer as a pod of the cluster that it manages: it needs nothing but what the kubelet gives the pod."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.integration.runtimes.kubernetes.granting import Grants
from tests.integration.runtimes.kubernetes.replacing_ground import manifest
from tests.lab.kubernetes import Cluster
from tests.lab.kubernetes.node import PAUSE
from tests.lab.room import wait_until

ROOT = Path(__file__).resolve().parents[4]
PROGRAM = """
import sys
from uptainer.core.enums import ConnectionType, RuntimeType
from uptainer.core.workloads import HostAddress
from uptainer.runtimes.connections import connect

address = HostAddress(
    "here", RuntimeType.KUBERNETES, ConnectionType.IN_CLUSTER, "in-cluster://", namespaces=(sys.argv[1],)
)
with connect(address) as runtime:
    print(*(each.key for each in runtime.containers()))
"""


def test_a_pod_finds_the_workloads_of_its_cluster_by_its_service_account(kubernetes_cluster: Cluster) -> None:
    with kubernetes_cluster.namespace() as namespace:
        grants = Grants(kubernetes_cluster, namespace)
        grants.apply("reading")
        try:
            idle = manifest("Deployment", "web", PAUSE, replicas=0)
            kubernetes_cluster.apply(idle, namespace=namespace)
            kubernetes_cluster.apply(_pod(kubernetes_cluster.url, namespace), namespace=namespace)
            assert _output(kubernetes_cluster, namespace) == f"{namespace}/deployment/web/app\n"
        finally:
            grants.withdraw("reading")


def _output(cluster: Cluster, namespace: str) -> str:
    def has_ended() -> bool:
        pod = cluster.get("v1", "Pod", "uptainer", namespace=namespace)
        return pod["status"]["phase"] in {"Succeeded", "Failed"}

    wait_until(has_ended, what="the pod did not end", timeout=240, pause=0.2)
    return cluster.read_log("uptainer", namespace=namespace)


def _pod(url: str, namespace: str) -> dict[str, Any]:
    """This Python and this source, from the node, which is this machine; the API server listens on its loopback only,
    and no proxy brings a pod there, so that it shares the node's network and is told the port.
    """
    server = urlsplit(url)
    container = {
        "name": "uptainer",
        "image": PAUSE,
        "command": [sys.executable, "-c", PROGRAM, namespace],
        "workingDir": str(ROOT),
        "env": [
            {"name": "KUBERNETES_SERVICE_HOST", "value": server.hostname},
            {"name": "KUBERNETES_SERVICE_PORT", "value": str(server.port)},
            {"name": "PYTHONDONTWRITEBYTECODE", "value": "1"},
        ],
        "volumeMounts": [
            {"name": f"host-{number}", "mountPath": place, "readOnly": True}
            for number, place in enumerate(_places())
        ],
    }
    volumes = [
        {"name": f"host-{number}", "hostPath": {"path": str(Path(place).resolve())}}
        for number, place in enumerate(_places())
    ]
    spec = {
        "serviceAccountName": "uptainer-reader",
        "hostNetwork": True,
        "restartPolicy": "Never",
        "containers": [container],
        "volumes": volumes,
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "uptainer"}, "spec": spec}


def _places() -> Iterable[str]:
    """Where the interpreter, its libraries and the packages lie, none of them inside another."""
    wanted = ["/usr", "/lib", "/lib64", sys.base_prefix, sys.prefix, str(ROOT)]
    there = sorted({path for path in wanted if Path(path).exists()})
    return [path for path in there if not any(path.startswith(f"{other}/") for other in there)]
