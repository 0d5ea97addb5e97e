"""What the account may not do that Uptainer would need, asked of the cluster itself.

Source: https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access. The rights are those
of the manifests in `deployments/kubernetes`.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import MappingProxyType

from uptainer.runtimes.kubernetes.client import Cluster
from uptainer.runtimes.kubernetes.namespaces import choose_scope
from uptainer.runtimes.kubernetes.resources import SNAPSHOT_GROUP, SNAPSHOT_VERSIONS

_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_WITHOUT_NAMESPACE = frozenset({"nodes", "namespaces", "volumesnapshotclasses"})
_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Right:
    """The core group is ""; a part of an object is `resource/part`."""

    group: str
    resource: str
    verb: str

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}" + (f".{self.group}" if self.group else "")


def _rights(group: str, resources: str, verbs: str) -> tuple[Right, ...]:
    return tuple(Right(group, resource, verb) for resource in resources.split() for verb in verbs.split())


NEEDED: Mapping[str, tuple[Right, ...]] = MappingProxyType(
    {
        "read": (
            *_rights("apps", "deployments statefulsets daemonsets", "get list"),
            *_rights("batch", "cronjobs", "get list"),
            *_rights("batch", "jobs", "list"),
            *_rights("", "pods", "list"),
            *_rights("", "nodes", "list"),
            *_rights("", "namespaces", "get list"),
        ),
        "update": (
            *_rights("apps", "deployments statefulsets daemonsets", "patch"),
            *_rights("batch", "cronjobs", "patch"),
            *_rights("", "resourcequotas", "list"),
            *_rights("policy", "poddisruptionbudgets", "list"),
            *_rights("autoscaling", "horizontalpodautoscalers", "list"),
            *_rights("", "pods", "get create delete"),
            *_rights("apps", "replicasets controllerrevisions", "list"),
            *_rights("", "events", "list"),
            *_rights("", "pods/log", "get"),
            *_rights("", "persistentvolumeclaims", "get"),
            *_rights(SNAPSHOT_GROUP, "volumesnapshots", "get list create delete"),
            *_rights(SNAPSHOT_GROUP, "volumesnapshotclasses", "list"),
        ),
        "run commands, remove and create again": (
            *_rights("", "pods/exec", "get create"),
            *_rights("apps", "deployments statefulsets", "create delete"),
            *_rights("apps", "daemonsets", "delete"),
            *_rights("batch", "cronjobs", "create delete"),
        ),
        "use the workloads' own pull secrets": _rights("", "serviceaccounts secrets", "get"),
    }
)
"""By what they are for, as it stands behind "may not"."""


def missing_rights(cluster: Cluster) -> Mapping[str, Sequence[str]]:
    """What is not allowed, by what it is for; of several namespaces, in any of them. Empty where all is allowed.

    Raises:
        UnreachableError: it did not answer.
    """
    places = choose_scope(cluster).places
    has_snapshots = cluster.served(SNAPSHOT_GROUP, "volumesnapshots", SNAPSHOT_VERSIONS) is not None
    missing: dict[str, Sequence[str]] = {}
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="rights") as pool:
        for purpose, rights in NEEDED.items():
            asked = [
                (right, place)
                for right in rights
                if has_snapshots or right.group != SNAPSHOT_GROUP
                for place in _places(right, places)
            ]
            allowed = pool.map(lambda each: _may(cluster, *each), asked)
            if refused := list(_refused(asked, list(allowed))):
                missing[purpose] = refused
    return missing


def _places(right: Right, places: Sequence[str] | None) -> Sequence[str]:
    """Where to ask; "" is everywhere. Whoever manages single namespaces can do without what stands above them."""
    if right.resource in _WITHOUT_NAMESPACE:
        return [""] if places is None else []
    return [""] if places is None else places


def _refused(asked: Sequence[tuple[Right, str]], allowed: Sequence[bool]) -> Iterator[str]:
    for (right, place), is_allowed in zip(asked, allowed, strict=True):
        if not is_allowed:
            yield f"{right} in {place}" if place else str(right)


def _may(cluster: Cluster, right: Right, namespace: str) -> bool:
    kind, _, part = right.resource.partition("/")
    attributes = {"group": right.group, "resource": kind, "subresource": part, "verb": right.verb}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {**attributes, "namespace": namespace}},
    }
    return bool(cluster.post(_REVIEWS, review)["status"].get("allowed"))
