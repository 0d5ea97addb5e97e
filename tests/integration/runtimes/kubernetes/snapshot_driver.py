"""What a CSI driver brings to a cluster, as far as it shows in the API: snapshots, their classes, and that they get ready.

It stands in front of the lab's API server, and answers for that one group itself; no data is copied. A definition of
these kinds in the cluster would be better, and can't be had: Kubernetes 1.20 built by Debian's newer Go dies of one.

Source: https://github.com/kubernetes-csi/external-snapshotter, `client/apis/volumesnapshot/v1/types.go`.
"""

import json
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.lab.kubernetes import Cluster
from tests.lab.scripted import Answer, Asked, ScriptedServer

GROUP = "snapshot.storage.k8s.io"
DRIVER = "driver.lab"
_DEFAULT = "snapshot.storage.kubernetes.io/is-default-class"
_KINDS = ("volumesnapshots", "volumesnapshotclasses")


@dataclass
class SnapshotDriver:
    """`served` switches the whole group on; each new snapshot gets `status` the second time that it is read."""

    served: bool = False
    status: Mapping[str, Any] = field(default_factory=lambda: {"readyToUse": True})
    snapshots: dict[str, dict[str, Any]] = field(default_factory=dict)
    classes: dict[str, dict[str, Any]] = field(default_factory=dict)
    _born: datetime = datetime(2026, 1, 1, tzinfo=UTC)

    def add_class(self, name: str, *, default: bool = False) -> None:
        annotations = {_DEFAULT: "true"} if default else {}
        self.classes[name] = {"metadata": {"name": name, "annotations": annotations}, "driver": DRIVER}

    def answer(self, asked: Asked) -> Answer:
        parts = urlsplit(asked.path).path.strip("/").split("/")[1:]
        match asked.method, parts:
            case "GET", [_, _]:
                return _said({"resources": [{"name": each} for each in _KINDS]})
            case "GET", [*_, "volumesnapshots" | "volumesnapshotclasses" as kind]:
                found = self.snapshots if kind == "volumesnapshots" else self.classes
                return _said({"items": list(found.values())})
            case "POST", [*_, "volumesnapshots"]:
                return self._create(json.loads(asked.body))
            case "GET", [*_, name]:
                return self._read(name)
            case "DELETE", [*_, name] if self.snapshots.pop(name, None):
                return _said({"status": "Success"})
        return _missing()

    def _create(self, snapshot: dict[str, Any]) -> Answer:
        self._born += timedelta(seconds=1)
        snapshot["metadata"]["creationTimestamp"] = f"{self._born:%Y-%m-%dT%H:%M:%SZ}"
        self.snapshots[snapshot["metadata"]["name"]] = snapshot
        return _said(snapshot, 201)

    def _read(self, name: str) -> Answer:
        if name not in self.snapshots:
            return _missing()
        answer = _said(self.snapshots[name])
        self.snapshots[name]["status"] = dict(self.status)
        return answer


@contextmanager
def snapshotting(cluster: Cluster, driver: SnapshotDriver) -> Iterator[str]:
    """The URL of an API server that has snapshots as well."""

    def answer(asked: Asked) -> Answer:
        if asked.path.startswith(f"/apis/{GROUP}/"):
            return driver.answer(asked) if driver.served else _missing()
        headers = {name: value for name, value in asked.headers.items() if name.lower() in _PASSED_ON}
        said = client.request(asked.method, asked.path, content=asked.body, headers=headers)
        body = said.content
        if asked.path == "/apis" and driver.served:
            version = {"groupVersion": f"{GROUP}/v1", "version": "v1"}
            group = {"name": GROUP, "versions": [version], "preferredVersion": version}
            body = json.dumps({**said.json(), "groups": [*said.json()["groups"], group]}).encode()
        return Answer(said.status_code, body, {"Content-Type": said.headers["content-type"]})

    with (
        httpx.Client(
            base_url=cluster.url, verify=ssl.create_default_context(cafile=cluster.authority), timeout=30
        ) as client,
        ScriptedServer(answer) as server,
    ):
        yield server.url.replace("localhost", "127.0.0.1")


_PASSED_ON = frozenset({"authorization", "content-type", "accept"})


def _said(body: Mapping[str, Any], status: int = 200) -> Answer:
    return Answer(status, json.dumps(body).encode(), {"Content-Type": "application/json"})


def _missing() -> Answer:
    return _said({"kind": "Status", "reason": "NotFound", "message": "there is none"}, 404)
