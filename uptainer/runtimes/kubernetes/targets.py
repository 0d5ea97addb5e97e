"""The container that a key names, and where the API server has its workload."""

from collections.abc import Mapping
from dataclasses import dataclass

from uptainer.core.errors import NotFoundError, UnsupportedError
from uptainer.runtimes.kubernetes.client import Cluster
from uptainer.runtimes.kubernetes.keys import Key
from uptainer.runtimes.kubernetes.resources import (
    CRON_JOB_VERSIONS,
    DAEMONSETS,
    DEPLOYMENTS,
    STATEFULSETS,
    Resource,
)

_APPS: Mapping[str, Resource] = {
    "deployment": DEPLOYMENTS,
    "statefulset": STATEFULSETS,
    "daemonset": DAEMONSETS,
}


@dataclass(frozen=True, slots=True)
class Target:
    """One container of one workload; `path` is the workload's."""

    key: Key
    path: str

    @property
    def namespace(self) -> str:
        return self.key.namespace

    @property
    def kind(self) -> str:
        return self.key.kind

    @property
    def container(self) -> str:
        return self.key.container


def find_target(cluster: Cluster, key: str) -> Target:
    """Raises: NotFoundError, UnsupportedError, UnreachableError."""
    parsed = Key.parse(key)
    if not parsed.container:
        raise NotFoundError(f"{key} is a workload: name the container of it whose image is to be replaced")
    resource = _APPS.get(parsed.kind) or _cron_jobs(cluster, key)
    return Target(parsed, resource.path(parsed.namespace, parsed.name))


def _cron_jobs(cluster: Cluster, key: str) -> Resource:
    served = cluster.served("batch", "cronjobs", CRON_JOB_VERSIONS)
    if served is None:
        raise UnsupportedError(f"{key}: this cluster has no CronJobs in a version that we speak")
    return served
