"""A Kubernetes cluster as a `Runtime`: each method hands over to the module that knows how."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

from uptainer.core.clock import Clock
from uptainer.core.errors import InvalidInputError, NotFoundError, UnsupportedError
from uptainer.core.images import ImageFacts
from uptainer.core.reference import Reference
from uptainer.core.secrets import HostSecret
from uptainer.core.workloads import ContainerFacts, EngineFacts, HostAddress, Mount
from uptainer.runtimes.capabilities import Capabilities, Capability, capabilities_of
from uptainer.runtimes.kubernetes import (
    configuration,
    discovery,
    facts,
    logins,
    nodes,
    operations,
    planning,
    replacement,
    rights,
)
from uptainer.runtimes.kubernetes.capabilities import TABLE
from uptainer.runtimes.kubernetes.client import Cluster
from uptainer.runtimes.kubernetes.keys import Key
from uptainer.runtimes.port import (
    Affected,
    ExecResult,
    Json,
    PullLogins,
    ReplacementPlan,
    ReplacementRequest,
    WorkloadState,
)


class KubernetesRuntime:
    """One cluster. Keeps nothing between calls but its connections; a context manager."""

    def __init__(
        self, address: HostAddress, secret: HostSecret | None = None, *, clock: Clock | None = None
    ) -> None:
        """Raises UnreachableError, AccessDeniedError and others: see `Cluster`."""
        self.address = address
        self._clock = clock or Clock()
        self._cluster = Cluster(address, secret)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._cluster.close()

    def capabilities(self, kind: str) -> Capabilities:
        return capabilities_of(TABLE, kind)

    def missing_rights(self) -> Mapping[str, Sequence[str]]:
        return rights.missing_rights(self._cluster)

    def engine(self) -> EngineFacts:
        return nodes.engine_facts(self._cluster)

    def containers(self) -> Sequence[ContainerFacts]:
        return discovery.read_containers(self._cluster)

    def image(self, name: str) -> ImageFacts:
        """By a reference with a digest, or by a digest alone: a cluster holds no images that could tell more."""
        digest = _digest(name)
        return ImageFacts(
            image_id=digest,
            repo_tags=(),
            repo_digests=(name,) if "@" in name else (),
            labels={},
            platform=nodes.server_platform(self._cluster),
            created_at=None,
            size=0,
        )

    def state(self, key: str) -> WorkloadState:
        parsed, workload = self._read(key)
        pods = discovery.read_pods(self._cluster, parsed, workload)
        return facts.workload_state(parsed, workload, pods)

    def inspect(self, key: str) -> Json:
        return self._read(key)[1]

    def configuration(self, key: str) -> Json:
        return configuration.read_configuration(self._cluster, Key.parse(key))

    def create_from(self, configuration_: Json, *, name: str | None = None) -> str:
        return configuration.create_from(self._cluster, configuration_, name=name)

    def start(self, key: str) -> None:
        operations.start(self._cluster, Key.parse(key))

    def stop(self, key: str, timeout: timedelta | None = None) -> None:  # noqa: ARG002 -- pods have their own
        operations.stop(self._cluster, Key.parse(key), self._clock)

    def restart(self, key: str, timeout: timedelta | None = None) -> None:  # noqa: ARG002 -- pods have their own
        operations.restart(self._cluster, Key.parse(key))

    def pause(self, key: str) -> None:
        operations.require(Capability.PAUSE, Key.parse(key))

    def unpause(self, key: str) -> None:
        operations.require(Capability.UNPAUSE, Key.parse(key))

    def remove(self, key: str, *, force: bool = False) -> None:
        operations.remove(self._cluster, Key.parse(key), force=force)

    def execute(self, key: str, command: Sequence[str], timeout: timedelta) -> ExecResult:
        return operations.execute(self._cluster, Key.parse(key), command, timeout)

    def logs(self, key: str, *, tail: int, since: datetime | None = None) -> str:
        return operations.logs(self._cluster, Key.parse(key), tail=tail, since=since)

    def check_stop(self, key: str) -> None:
        """It is scaled down, and up again."""

    def check_pause(self, key: str) -> None:
        operations.require(Capability.PAUSE, Key.parse(key))

    def check_mount(self, key: str, mount: Mount, *, alone: bool = True) -> None:  # noqa: ARG002 -- none of them can be read
        operations.require(Capability.BACK_UP_VOLUMES, Key.parse(key))

    def left_out(self, key: str, mount: Mount) -> str:  # noqa: ARG002 -- as above
        operations.require(Capability.BACK_UP_VOLUMES, Key.parse(key))
        return ""

    def read_mount(self, key: str, mount: Mount) -> AbstractContextManager[Iterator[bytes]]:
        operations.require(Capability.BACK_UP_VOLUMES, Key.parse(key))
        raise UnsupportedError(f"{key}: {mount.destination} can't be read in a cluster")

    def write_mount(self, key: str, mount: Mount, tar: Iterator[bytes]) -> None:  # noqa: ARG002 -- see above
        operations.require(Capability.RESTORE_VOLUMES, Key.parse(key))

    def remove_image(self, image_id: str) -> bool:  # noqa: ARG002 -- whichever it is
        """Nodes remove images by themselves, when they need the room."""
        return False

    def registry_logins(self, containers: Sequence[ContainerFacts]) -> Mapping[str, PullLogins]:
        return logins.read_logins(self._cluster, containers)

    def plan_replacement(self, request: ReplacementRequest) -> ReplacementPlan:
        return planning.plan_replacement(self._cluster, request)

    def affected_by(self, key: str) -> Sequence[Affected]:  # noqa: ARG002 -- a pod has namespaces of its own
        return ()

    def perform(
        self,
        step: str,
        request: ReplacementRequest,
        document: Json,
        results: Mapping[str, Json],  # noqa: ARG002 -- what a step must know stands in the document and in the cluster
    ) -> Json:
        return replacement.perform(self._cluster, step, request, document, self._clock)

    def revert(
        self,
        step: str,
        request: ReplacementRequest,
        document: Json,
        results: Mapping[str, Json],  # noqa: ARG002 -- as above
    ) -> None:
        replacement.revert(self._cluster, step, request, document, self._clock)

    def _read(self, key: str) -> tuple[Key, Json]:
        parsed = Key.parse(key)
        return parsed, discovery.read_workload(self._cluster, parsed)


def _digest(name: str) -> str:
    """Raises NotFoundError."""
    if name.startswith("sha256:"):
        return name
    try:
        digest = Reference.parse(name).digest
    except InvalidInputError:
        digest = None
    if digest is None:
        raise NotFoundError(f"a cluster holds no images: {name} is known there by its digest only")
    return digest
