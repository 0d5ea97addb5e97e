"""The lab's cluster: it runs pods, is shared by those who use it at the same time, and leaves nothing."""

import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.lab.images import make_image
from tests.lab.kubernetes import Cluster
from tests.lab.kubernetes.keeper import BYE, Kept, serve
from tests.lab.registry import Registry


def deployment(image: str) -> dict[str, Any]:
    labels = {"app": "web"}
    container = {
        "name": "web",
        "image": image,
        "readinessProbe": {"httpGet": {"port": 80}, "periodSeconds": 1},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def served(cluster: Cluster, namespace: str) -> str:
    pods = cluster.all_of("v1", "Pod", namespace=namespace, labels="app=web")
    address = next(pod["status"]["podIP"] for pod in pods if "deletionTimestamp" not in pod["metadata"])
    return httpx.get(f"http://{address}/", timeout=5).text


def test_a_deployment_is_rolled_out_and_then_updated(kubernetes_cluster: Cluster, registry: Registry) -> None:
    images = {name: registry.reference(f"lab/rolled:{name}") for name in ("one", "two")}
    for name, reference in images.items():
        make_image(None, reference, cmd=["httpd", "-f", "-h", "/www"], files={"/www/index.html": name})
    with kubernetes_cluster.namespace() as namespace:
        for name, reference in images.items():
            kubernetes_cluster.apply(deployment(reference), namespace=namespace)
            kubernetes_cluster.wait_rolled_out("Deployment", "web", namespace=namespace)
            assert served(kubernetes_cluster, namespace) == name


def test_a_service_account_may_do_what_it_was_given_and_no_more(kubernetes_cluster: Cluster) -> None:
    with (
        kubernetes_cluster.namespace() as namespace,
        kubernetes_cluster.as_user(kubernetes_cluster.token_of("default", namespace)) as nobody,
        pytest.raises(httpx.HTTPStatusError, match="403"),
    ):
        nobody.all_of("v1", "Pod", namespace=namespace)


def test_the_cluster_is_kept_until_its_last_user_leaves_or_is_killed(tmp_path: Path) -> None:
    place = tmp_path / "keeper.sock"
    with socket.socket(socket.AF_UNIX) as listener, ThreadPoolExecutor(1) as beside:
        listener.bind(str(place))
        listener.listen()
        serving = beside.submit(serve, listener, Kept({"url": "here"}), place)
        killed, first, last = (join(place) for _ in range(3))
        killed.close()
        first.sendall(BYE)
        assert first.recv(1) == b""
        assert not serving.done()
        last.sendall(BYE)
        assert len(serving.result(timeout=60)) == 1
        assert not place.exists()
        for user in (first, last, *serving.result()):
            user.close()


def test_nobody_is_let_into_a_cluster_that_has_broken(tmp_path: Path) -> None:
    place = tmp_path / "keeper.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place))
        listener.listen()
        assert serve(listener, Kept({"url": "here"}, lambda: False), place) == []
        assert not place.exists()


def join(place: Path) -> socket.socket:
    user = socket.socket(socket.AF_UNIX)
    user.settimeout(60)
    user.connect(str(place))
    assert user.recv(100) == b'{"url": "here"}\n'
    return user
