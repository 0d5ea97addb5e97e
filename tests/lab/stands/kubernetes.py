"""A workload of one kind on a private Kubernetes cluster, with one pod whose data lies on the node."""

import tempfile
from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.lab.kubernetes import Cluster
from tests.lab.registry import Registry
from tests.lab.room import Room, free_port, wait_until
from tests.lab.stands.releases import CHECK, Behaviour, Release, push_release
from tests.lab.stands.stand import Copy, Traits
from uptainer.core.enums import ConnectionType, RuntimeType
from uptainer.core.secrets import ClusterSecret, HostSecret
from uptainer.core.workloads import HostAddress

Object = Mapping[str, Any]

API = "apps/v1"
CONTAINER = "app"
_LABEL = "io.kubernetes"
_GONE_WITHIN = 180.0
_DEADLINE = 90
"""Seconds after which the controller itself gives a rollout up."""


class KubernetesStand:
    """`kind` as Kubernetes writes it: Deployment, StatefulSet or DaemonSet. Each stand has a namespace of its own."""

    traits = Traits(pulls_first=False, lists_images=False, quick=False, patience=timedelta(seconds=60))

    def __init__(self, cluster: Cluster, registry: Registry, room: Room, kind: str) -> None:
        self._kind, self.kind = kind, kind.lower()
        self.name = f"kubernetes-{self.kind}"
        self.cluster = cluster
        self._registry = registry
        self._folder = room.directory(self.kind)
        self._data: dict[str, Path] = {}
        self._lent: AbstractContextManager[str] = cluster.namespace()
        self.namespace = self._lent.__enter__()
        self.secret: HostSecret | None = ClusterSecret(kubeconfig=cluster.kubeconfig.read_text())
        self.address = self._address(self.name, "kubeconfig://")
        here = self.secret.kubeconfig.replace(cluster.url, f"https://127.0.0.1:{free_port()}")
        nowhere = self._folder.with_name(f"{self._folder.name}-nowhere")
        nowhere.write_text(here)
        self.nowhere = self._address("nowhere", f"kubeconfig://{nowhere}")

    def push(self, behaviour: Behaviour) -> Release:
        return push_release(self._registry, f"stands/{self.kind}", behaviour)

    def deploy(self, name: str, release: Release) -> str:
        """With a folder of its own: a pod that was told to go at once may still write for a while."""
        self._data[name] = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self._folder))
        self.cluster.apply(self._manifest(name, release.reference), namespace=self.namespace)
        return f"{self.namespace}/{self.kind}/{name}/{CONTAINER}"

    def replace_by_hand(self, key: str, release: Release) -> None:
        self.cluster.apply(self._manifest(_name(key), release.reference), namespace=self.namespace)

    def running(self, key: str) -> tuple[Copy, ...]:
        """Pods that are not on their way out, and whose container runs and is ready."""
        return tuple(
            Copy(str(pod["metadata"]["uid"]), frozenset({each["imageID"].rpartition("@")[2]}))
            for pod in self._pods(_name(key))
            if "deletionTimestamp" not in pod["metadata"]
            for each in pod["status"].get("containerStatuses", ())
            if each["ready"] and "running" in each["state"]
        )

    def leftovers(self, key: str) -> tuple[str, ...]:
        """Pods that are to stay beside the one that runs, and containers that the node runs for any other pod.

        Of a pod on its way out the cluster may tell for many seconds after its last container has ended.
        """
        ours = {copy.id for copy in self.running(key)}
        pods = [pod["metadata"] for pod in self._pods(_name(key))]
        staying = {each["uid"]: each["name"] for each in pods if "deletionTimestamp" not in each}
        found = staying | self._running_on_node(_name(key))
        return tuple(name for uid, name in found.items() if uid not in ours)

    def is_paused(self, key: str) -> bool:
        found = self.cluster.get(API, self._kind, _name(key), namespace=self.namespace)
        return bool(found["spec"].get("paused"))

    def has_crashed(self, key: str) -> bool:
        statuses = [pod["status"].get("containerStatuses", ()) for pod in self._pods(_name(key))]
        return any(each["restartCount"] > 0 for status in statuses for each in status)

    def data(self, key: str) -> Mapping[str, str]:
        return {path.name: path.read_text() for path in sorted(self._data[_name(key)].iterdir())}

    def everything(self) -> Any:
        """Of what is configured: what only the system writes, it writes at any time."""
        workloads = self.cluster.all_of(API, self._kind, namespace=self.namespace)
        pods = self.cluster.all_of("v1", "Pod", namespace=self.namespace)
        return (
            {each["metadata"]["name"]: (each["metadata"]["generation"], each["spec"]) for each in workloads},
            sorted(each["metadata"]["uid"] for each in pods if "deletionTimestamp" not in each["metadata"]),
        )

    def clear(self) -> None:
        for each in self.cluster.all_of(API, self._kind, namespace=self.namespace):
            self.cluster.delete(API, self._kind, each["metadata"]["name"], namespace=self.namespace)
        wait_until(self._is_empty, what="the pods were not gone", timeout=_GONE_WITHIN, pause=0.1)

    def close(self) -> None:
        self.clear()
        self._lent.__exit__(None, None, None)

    def _address(self, name: str, url: str) -> HostAddress:
        return HostAddress(
            name, RuntimeType.KUBERNETES, ConnectionType.KUBECONFIG, url, namespaces=(self.namespace,)
        )

    def _pods(self, name: str) -> list[dict[str, Any]]:
        return self.cluster.all_of("v1", "Pod", namespace=self.namespace, labels=f"app={name}")

    def _running_on_node(self, name: str) -> dict[str, str]:
        """By the uid of its pod the name of it, for each container that really runs."""
        labels = [f"{_LABEL}.pod.namespace={self.namespace}", f"{_LABEL}.container.name={CONTAINER}"]
        listed = self.cluster.engine.api.containers(filters={"label": labels})
        pods = [
            (each["Labels"][f"{_LABEL}.pod.uid"], each["Labels"][f"{_LABEL}.pod.name"]) for each in listed
        ]
        return {str(uid): str(pod) for uid, pod in pods if pod.startswith(f"{name}-")}

    def _is_empty(self) -> bool:
        """Pods of a workload that is gone are told to go at once: nothing in them has to be ended in peace."""
        workloads = self.cluster.all_of(API, self._kind, namespace=self.namespace)
        pods = self.cluster.all_of("v1", "Pod", namespace=self.namespace)
        if not workloads:
            for pod in pods:
                self.cluster.delete("v1", "Pod", pod["metadata"]["name"], namespace=self.namespace, grace=0)
        return not workloads and not pods

    def _manifest(self, name: str, image: str) -> dict[str, Any]:
        labels = {"app": name}
        spec: dict[str, Any] = {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": self._pod_spec(name, image)},
        }
        if self._kind == "Deployment":
            spec |= {"replicas": 1, "progressDeadlineSeconds": _DEADLINE}
        if self._kind == "StatefulSet":
            spec |= {"replicas": 1, "serviceName": name}
        return {"apiVersion": API, "kind": self._kind, "metadata": {"name": name}, "spec": spec}

    def _pod_spec(self, name: str, image: str) -> dict[str, Any]:
        container = {
            "name": CONTAINER,
            "image": image,
            "imagePullPolicy": "IfNotPresent",
            "readinessProbe": {"exec": {"command": [CHECK]}, "periodSeconds": 1, "timeoutSeconds": 30},
            "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        }
        volume = {"name": "data", "hostPath": {"path": str(self._data[name])}}
        return {"containers": [container], "volumes": [volume], "terminationGracePeriodSeconds": 2}


def _name(key: str) -> str:
    return key.split("/")[2]
