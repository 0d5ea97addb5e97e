"""A namespace with a workload of each kind in it, and the accounts of our manifests to look at it."""

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.integration.runtimes.kubernetes.granting import Grants
from tests.integration.runtimes.kubernetes.replacing_ground import Ground, manifest
from tests.lab.kubernetes import Cluster
from tests.lab.registry import Registry
from tests.lab.stands.releases import Release
from uptainer.core.enums import ConnectionType, RuntimeType
from uptainer.core.secrets import ClusterSecret
from uptainer.core.workloads import HostAddress
from uptainer.runtimes.connections import connect
from uptainer.runtimes.port import ReplacementPlan, ReplacementRequest, Runtime

READER, UPDATER, OPERATOR = "uptainer-reader", "uptainer-updater", "uptainer-operator"
PRIVATE = "private.test"
"""The registry that the pull secret of the Deployment is for."""

WORKLOADS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "web": ("Deployment", {"pod": {"imagePullSecrets": [{"name": "login"}]}}),
    "store": ("StatefulSet", {}),
    "agent": ("DaemonSet", {}),
    "stuck": ("StatefulSet", {"replicas": 0, "pod": {"serviceAccountName": "nobody"}}),
    "job": (
        "CronJob",
        {"pod": {"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "books"}}]}},
    ),
}
"""No pod of `stuck` can be made once it is to have one; the claim of `job` was never made."""


@dataclass(frozen=True, slots=True)
class House:
    """Its workloads run `old`, and a plan was made for each, by the administrator, to give it `new`."""

    ground: Ground
    grants: Grants
    old: Release
    new: Release
    plans: Mapping[str, ReplacementPlan]

    @contextmanager
    def opened_by(self, account: str) -> Iterator[Runtime]:
        with self.grants.runtime(account) as runtime:
            yield runtime

    def key(self, name: str) -> str:
        return self.ground.key(WORKLOADS[name][0], name)

    def request(self, name: str, *, snapshot: bool = False) -> ReplacementRequest:
        return self.ground.request(self.key(name), self.new, snapshot=snapshot)

    def step(self, runtime: Runtime, step: str, name: str) -> None:
        """One step of the plan for it, out of turn."""
        runtime.perform(step, self.request(name), self.plans[name].document, {})

    def take_back(self, step: str, name: str) -> None:
        self.ground.runtime.revert(step, self.request(name), self.plans[name].document, {})


@contextmanager
def furnished(cluster: Cluster, registry: Registry) -> Iterator[House]:
    with cluster.namespace() as namespace, _as_administrator(cluster, namespace) as runtime:
        ground = Ground(cluster, registry, namespace, runtime)
        grants = Grants(cluster, namespace)
        grants.apply("reading", "updating", "operating")
        old, new = ground.push(), ground.push()
        cluster.apply(_login(), namespace=namespace)
        for name, (kind, spec) in WORKLOADS.items():
            cluster.apply(manifest(kind, name, old.reference, **spec), namespace=namespace)
        for name, (kind, _) in WORKLOADS.items():
            if kind != "CronJob":
                cluster.wait_rolled_out(kind, name, namespace=namespace)
        plans = {name: ground.plan(ground.key(kind, name), new) for name, (kind, _) in WORKLOADS.items()}
        cluster.patch("apps/v1", "StatefulSet", "stuck", {"spec": {"replicas": 1}}, namespace=namespace)
        try:
            yield House(ground, grants, old, new, plans)
        finally:
            grants.withdraw("reading", "updating", "operating", "pull-secrets")


@contextmanager
def _as_administrator(cluster: Cluster, namespace: str) -> Iterator[Runtime]:
    address = HostAddress(
        "admin", RuntimeType.KUBERNETES, ConnectionType.TOKEN, cluster.url, namespaces=(namespace,)
    )
    secret = ClusterSecret(token=cluster.token, ca=cluster.authority.read_text())
    with connect(address, secret) as runtime:
        yield runtime


def _login() -> dict[str, Any]:
    auth = base64.b64encode(b"user:password").decode()
    logins = json.dumps({"auths": {PRIVATE: {"auth": auth}}})
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "login"},
        "type": "kubernetes.io/dockerconfigjson",
        "stringData": {".dockerconfigjson": logins},
    }
