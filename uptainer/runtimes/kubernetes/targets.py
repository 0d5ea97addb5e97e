"""The container that a key names, and where the API server has its workload."""

from dataclasses import dataclass

from uptainer.core.errors import NotFoundError
from uptainer.runtimes.kubernetes.client import Cluster
from uptainer.runtimes.kubernetes.discovery import path_of
from uptainer.runtimes.kubernetes.keys import Key


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
    """Raises: NotFoundError, UnreachableError."""
    parsed = Key.parse(key)
    if not parsed.container:
        raise NotFoundError(f"{key} is a workload: name the container of it whose image is to be replaced")
    return Target(parsed, path_of(cluster, parsed.workload))
