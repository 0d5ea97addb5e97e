"""The manifests of `deployments/kubernetes`, applied in a place of the test's own, and the accounts that they make."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.integration.runtimes.kubernetes.manifests import role
from tests.lab.kubernetes import Cluster
from tests.lab.room import wait_until
from uptainer.core.enums import ConnectionType, RuntimeType
from uptainer.core.secrets import ClusterSecret
from uptainer.core.workloads import HostAddress
from uptainer.runtimes.connections import connect
from uptainer.runtimes.port import Runtime

Object = dict[str, Any]
Right = tuple[str, str, str]
"""API group, resource, verb."""

FOLDER = Path(__file__).resolve().parents[4] / "deployments" / "kubernetes"
RBAC = "rbac.authorization.k8s.io/v1"
_PLACES = ("uptainer", "shop")
"""The namespaces that the manifests name."""


def read_manifests(name: str) -> list[Object]:
    """`reading`, or `namespaced/reading`."""
    with (FOLDER / f"{name}.yaml").open() as file:
        return list(YAML(typ="safe").load_all(file))


def grant(cluster: Cluster, namespace: str, rights: Sequence[Right]) -> str:
    """Give the default account of a namespace these in it; its token, once the API server heeds them."""
    for manifest in role(namespace, rights):
        cluster.apply(manifest, namespace=namespace)
    token = cluster.token_of("default", namespace)
    with cluster.as_user(token) as user:
        wait_until(
            lambda: all(user.may(right, namespace=namespace) for right in rights),
            what=f"{rights} were not granted",
        )
    return token


def rights_of(rules: list[Object]) -> list[Right]:
    return [
        (group, resource, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    ]


def rights_in(name: str) -> list[Right]:
    """Of the one role in this file."""
    (role,) = (each for each in read_manifests(name) if each["kind"] in {"ClusterRole", "Role"})
    return rights_of(role["rules"])


@dataclass(frozen=True, slots=True)
class Grants:
    """In `namespace`; what has none is named after it, so that several tests can have it at the same time."""

    cluster: Cluster
    namespace: str

    def apply(self, *names: str) -> None:
        for name in names:
            for manifest in read_manifests(name):
                if manifest["kind"] != "Namespace":
                    self.cluster.apply(self._placed(manifest))

    def withdraw(self, *names: str) -> None:
        for name in names:
            for manifest in map(self._placed, read_manifests(name)):
                if manifest["kind"].startswith("Cluster"):
                    self.cluster.delete(RBAC, manifest["kind"], manifest["metadata"]["name"])

    @contextmanager
    def runtime(self, account: str, *namespaces: str) -> Iterator[Runtime]:
        """Of a host that is reached with the account's token."""
        address = HostAddress(
            "lab",
            RuntimeType.KUBERNETES,
            ConnectionType.TOKEN,
            self.cluster.url,
            namespaces=namespaces or (self.namespace,),
        )
        token = self.cluster.token_of(account, self.namespace)
        secret = ClusterSecret(token=token, ca=self.cluster.authority.read_text())
        with connect(address, secret) as runtime:
            yield runtime

    @contextmanager
    def without(self, role: str, right: Right, account: str) -> Iterator[None]:
        """The account, whose cluster role this is, lacks this one right meanwhile."""
        name = f"{role}-{self.namespace}"
        whole = self.cluster.get(RBAC, "ClusterRole", name)["rules"]
        rules = [
            {"apiGroups": [group], "resources": [resource], "verbs": [verb]}
            for group, resource, verb in rights_of(whole)
            if (group, resource, verb) != right
        ]
        self._set_rules(name, rules, right, account, allowed=False)
        try:
            yield
        finally:
            self._set_rules(name, whole, right, account, allowed=True)

    def _set_rules(
        self, name: str, rules: list[Object], right: Right, account: str, *, allowed: bool
    ) -> None:
        self.cluster.patch(RBAC, "ClusterRole", name, {"rules": rules})
        with self.cluster.as_user(self.cluster.token_of(account, self.namespace)) as user:
            wait_until(
                lambda: user.may(right, namespace=self.namespace) is allowed,
                what=f"{right} was not {allowed}",
            )

    def _placed(self, manifest: Object) -> Object:
        placed: Object = _renamed(manifest, self.namespace)
        if manifest["kind"].startswith("Cluster"):
            placed["metadata"]["name"] += f"-{self.namespace}"
        if manifest.get("roleRef", {}).get("kind") == "ClusterRole":
            placed["roleRef"]["name"] += f"-{self.namespace}"
        return placed


def _renamed(part: Any, namespace: str) -> Any:
    if isinstance(part, dict):
        return {
            key: namespace if key == "namespace" and value in _PLACES else _renamed(value, namespace)
            for key, value in part.items()
        }
    return [_renamed(each, namespace) for each in part] if isinstance(part, list) else part
