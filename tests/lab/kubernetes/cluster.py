"""The cluster as a test process has it."""

import fcntl
import itertools
import json
import os
import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import docker

from tests.lab.kubernetes.control_plane import require_binaries
from tests.lab.kubernetes.keeper import BYE, SOCKET, START, start_keeper
from tests.lab.kubernetes.objects import Object, Objects
from tests.lab.room import LabUnavailableError, wait_until

END = 90.0
"""Seconds that the last user waits for the keeper to clear everything away."""

_numbers = itertools.count(1)


class Cluster(Objects):
    """Its words are those of `Objects`, spoken as the administrator.

    Attributes:
        url: the API server's, on loopback.
        authority: the file of the certificate that signed the server's.
        token: the administrator's.
        kubeconfig: a file that names all of these.
        certificate, key: the files of the administrator's client certificate.
        engine: the node's Docker engine, to look into; what it runs belongs to the kubelet.
    """

    def __init__(self) -> None:
        if os.geteuid() != 0:
            raise LabUnavailableError("a Kubernetes node needs root")
        require_binaries()
        self._connection, facts = _join()
        self.url: str = facts["url"]
        folder = Path(facts["credentials"])
        self.authority = folder / "ca.crt"
        self.kubeconfig = folder / "kubeconfig"
        self.certificate, self.key = folder / "admin.crt", folder / "admin.key"
        self.token = (folder / "tokens.csv").read_text().partition(",")[0]
        self.engine = docker.DockerClient(base_url=facts["engine"], timeout=60)
        super().__init__(self.url, self.authority, self.token)

    def close(self) -> None:
        """The last one to leave waits until all is cleared away."""
        super().close()
        self.engine.close()
        with self._connection as connection, suppress(OSError):
            connection.settimeout(END)
            connection.sendall(BYE)
            connection.recv(1)

    @contextmanager
    def namespace(self, labels: Mapping[str, str] | None = None) -> Iterator[str]:
        """A namespace of one's own, where pods can be started at once.

        It is deleted at the end, and its pods told to go at once; nobody waits for that, for no other has its name.
        """
        name = f"lab-{os.getpid()}-{next(_numbers)}"
        self.create(
            {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {"name": name, "labels": dict(labels or {})},
            }
        )
        try:
            wait_until(lambda: self._has_account(name), what=f"{name} got no service account", pause=0.05)
            yield name
        finally:
            self.delete("v1", "Namespace", name)
            self.request("DELETE", f"/api/v1/namespaces/{name}/pods", json={"gracePeriodSeconds": 0})

    def as_user(self, token: str) -> Objects:
        """Another user's view; to be closed."""
        return Objects(self.url, self.authority, token)

    def token_of(self, account: str, namespace: str) -> str:
        """For a service account, for an hour, as a pod of it would have one."""
        path = f"{self.path('v1', 'ServiceAccount', account, namespace)}/token"
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        return str(self.request("POST", path, json=body)["status"]["token"])

    def wait_rolled_out(
        self, kind: str, name: str, *, namespace: str, api: str = "apps/v1", timeout: float = 240.0
    ) -> Object:
        """Until all pods of a Deployment, StatefulSet or DaemonSet are of its newest template, and available."""

        def is_rolled_out() -> bool:
            return rolled_out(self.get(api, kind, name, namespace=namespace))

        try:
            wait_until(is_rolled_out, what=f"{kind} {name} was not rolled out", timeout=timeout, pause=0.1)
        except TimeoutError as error:
            raise TimeoutError(f"{error}: {self._events(namespace)}") from None
        return self.get(api, kind, name, namespace=namespace)

    def _has_account(self, namespace: str) -> bool:
        account = self.find("v1", "ServiceAccount", "default", namespace=namespace)
        return bool(account and account.get("secrets"))

    def _events(self, namespace: str) -> str:
        events = self.all_of("v1", "Event", namespace=namespace)
        return " | ".join(f"{event['reason']}: {event['message']}" for event in events[-5:])


def rolled_out(workload: Mapping[str, Any]) -> bool:
    status, spec = workload.get("status", {}), workload["spec"]
    if status.get("observedGeneration", 0) < workload["metadata"]["generation"]:
        return False
    if workload["kind"] == "DaemonSet":
        names = ("updatedNumberScheduled", "numberAvailable", "currentNumberScheduled")
        return all(status.get(name, 0) == status.get("desiredNumberScheduled") for name in names)
    if workload["kind"] == "StatefulSet":
        names = ("replicas", "readyReplicas", "updatedReplicas")
    else:
        names = ("replicas", "availableReplicas", "updatedReplicas")
    return all(status.get(name, 0) == spec["replicas"] for name in names)


def _join() -> tuple[socket.socket, dict[str, Any]]:
    """The connection that keeps the cluster up, and where it is.

    Raises:
        LabUnavailableError: this machine can't run one.
        RuntimeError: it should be able to, and something broke.
    """
    for _ in range(5):
        connection = _connect()
        greeting = _greeting(connection)
        if greeting is None:
            connection.close()  # it was about to leave: the next one will stay
            continue
        if "unavailable" in greeting:
            connection.close()
            raise LabUnavailableError(greeting["unavailable"])
        if "broken" in greeting:
            connection.close()
            raise RuntimeError(greeting["broken"])
        return connection, greeting
    raise RuntimeError("the keeper of the cluster went away five times")


def _greeting(connection: socket.socket) -> dict[str, Any] | None:
    connection.settimeout(START * 1.5)
    with suppress(ConnectionError), connection.makefile("rb") as lines:
        line = lines.readline()
        return json.loads(line) if line else None
    return None


def _connect() -> socket.socket:
    """To the keeper; the first one starts it."""
    SOCKET.parent.mkdir(mode=0o755, exist_ok=True)
    with SOCKET.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        connection = socket.socket(socket.AF_UNIX)
        if _connected(connection):
            return connection
        with tempfile.NamedTemporaryFile(prefix="keeper-", suffix=".log") as log:
            start_keeper(Path(log.name))
            try:
                wait_until(lambda: _connected(connection), what="it did not answer", timeout=60, pause=0.05)
            except TimeoutError as error:
                said = Path(log.name).read_text().strip().rpartition("\n")[2]
                raise LabUnavailableError(f"no keeper of a cluster: {error}; {said}") from error
        return connection


def _connected(connection: socket.socket) -> bool:
    try:
        connection.connect(str(SOCKET))
    except (FileNotFoundError, ConnectionRefusedError):
        return False
    return True
