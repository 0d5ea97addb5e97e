"""A workload's manifest for the backup, without what the API server writes, and the workload made from it again."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from uptainer.core.errors import InvalidInputError, NotFoundError
from uptainer.runtimes.capabilities import Capability
from uptainer.runtimes.kubernetes.client import Cluster
from uptainer.runtimes.kubernetes.discovery import read_workload, resource_of
from uptainer.runtimes.kubernetes.keys import Key
from uptainer.runtimes.kubernetes.namespaces import require_admitted
from uptainer.runtimes.kubernetes.operations import REPLICAS, require
from uptainer.runtimes.kubernetes.strategies import replicas_of
from uptainer.runtimes.kubernetes.templates import CRON_JOB, find_container

Json = Mapping[str, Any]

_VERSION = 1
_KEPT = ("name", "namespace", "labels", "annotations")
"""The rest of the metadata is the server's, or belongs to an owner that would not know the new object."""
_REVISION = "deployment.kubernetes.io/revision"


def read_configuration(cluster: Cluster, key: Key) -> dict[str, Any]:
    """Raises NotFoundError: there is no such workload, or it has no such container."""
    workload = read_workload(cluster, key)
    if key.container:
        find_container(workload, key.container)
    return {
        "version": _VERSION,
        "runtime": "kubernetes",
        "key": str(key),
        "manifest": manifest_of(workload),
    }


def manifest_of(workload: Json) -> dict[str, Any]:
    """As somebody could have written it."""
    metadata = {name: workload["metadata"][name] for name in _KEPT if name in workload["metadata"]}
    annotations = dict(metadata.pop("annotations", None) or {})
    annotations.pop(_REVISION, None)
    if annotations:
        metadata["annotations"] = annotations
    manifest = {
        "apiVersion": workload["apiVersion"],
        "kind": workload["kind"],
        "metadata": metadata,
        "spec": workload["spec"],
    }
    return deepcopy(manifest)


def create_from(cluster: Cluster, saved: Json, *, name: str | None = None) -> str:
    """Create the workload again, without pods until it is started; returns its key.

    `name` is the key of another place for it.

    Raises:
        InvalidInputError: this is no configuration that `read_configuration` gave.
        UnsupportedError: a workload of this kind can't be created without being started.
        NotFoundError: its namespace is gone.
        PermanentError: there is a workload of that name.
    """
    if saved.get("version") != _VERSION or saved.get("runtime") != "kubernetes":
        raise InvalidInputError("this is not the saved configuration of a workload of a cluster")
    key = Key.parse(name or saved["key"])
    if key.kind != Key.parse(saved["key"]).kind:
        raise InvalidInputError(f"{saved['key']} can't be made {key}: it is of another kind")
    require(Capability.RECREATE, key)
    require_admitted(cluster, key.namespace)
    resource = resource_of(cluster, key.kind)
    if resource is None:
        raise NotFoundError(f"{key}: this cluster has no {key.kind}s")
    manifest = _stopped(key, deepcopy(dict(saved["manifest"])))
    manifest["apiVersion"] = resource.api_version
    cluster.post(resource.path(key.namespace), manifest)
    return str(key)


def _stopped(key: Key, manifest: dict[str, Any]) -> dict[str, Any]:
    metadata, spec = manifest["metadata"], manifest["spec"]
    metadata |= {"name": key.name, "namespace": key.namespace}
    if key.kind == CRON_JOB:
        spec["suspend"] = True
    elif replicas := replicas_of(manifest):
        metadata["annotations"] = {**(metadata.get("annotations") or {}), REPLICAS: str(replicas)}
        spec["replicas"] = 0
    return manifest
