"""Docker Engine as a `Runtime`: each method hands over to the module that knows how."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from types import TracebackType
from typing import Protocol, Self

from uptainer.core.errors import NotFoundError, PermanentError, UnsupportedError
from uptainer.core.images import ImageFacts
from uptainer.core.secrets import HostSecret
from uptainer.core.workloads import ContainerFacts, EngineFacts, HostAddress, Mount
from uptainer.runtimes.capabilities import Capabilities, capabilities_of
from uptainer.runtimes.copies import Copy
from uptainer.runtimes.docker import (
    copying,
    discovery,
    facts,
    planning,
    replacement,
    restoring,
    service_discovery,
    service_operations,
    service_planning,
    service_restoring,
    service_update,
    volumes,
)
from uptainer.runtimes.docker.capabilities import TABLE
from uptainer.runtimes.docker.services import is_service
from uptainer.runtimes.engine import operations
from uptainer.runtimes.engine.client import Engine
from uptainer.runtimes.port import (
    Affected,
    ExecResult,
    Json,
    ReplacementPlan,
    ReplacementRequest,
    WorkloadState,
)


class DockerRuntime:
    """One Docker Engine, with the services of its swarm where it manages one. Keeps nothing between calls but its
    connections; a context manager.
    """

    def __init__(self, address: HostAddress, secret: HostSecret | None = None) -> None:
        """Raises UnreachableError, AccessDeniedError, UnsupportedError: see `Engine`."""
        self.address = address
        self._engine = Engine(address, secret)
        if self._engine.is_podman:
            self._engine.close()
            raise UnsupportedError(
                f"{address.name} is a Podman: add it with --runtime podman (`runtime: podman` in a file), for by "
                "Docker's API some of its containers' settings would be lost"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._engine.close()

    def capabilities(self, kind: str) -> Capabilities:
        return capabilities_of(TABLE, kind)

    def missing_rights(self) -> Mapping[str, Sequence[str]]:
        """Whoever reaches the engine may do everything."""
        return {}

    def engine(self) -> EngineFacts:
        return facts.engine_facts(self._engine.get("/info", about="itself"), self._engine.version)

    def containers(self) -> Sequence[ContainerFacts]:
        return discovery.read_containers(self._engine)

    def image(self, name: str) -> ImageFacts:
        """What a swarm deploys and this manager does not hold is known by its digest."""
        try:
            return facts.image_facts(self._engine.get(f"/images/{name}/json", about=name))
        except NotFoundError:
            if deployed := service_discovery.deployed_image(self._engine, name):
                return deployed
            raise

    def state(self, key: str) -> WorkloadState:
        if is_service(key):
            return service_discovery.read_state(self._engine, key)
        return facts.workload_state(self.inspect(key))

    def inspect(self, key: str) -> Json:
        return _operations(key).inspect(self._engine, key)

    def configuration(self, key: str) -> Json:
        if is_service(key):
            return service_restoring.read_configuration(self._engine, key)
        return restoring.read_configuration(self._engine, key)

    def create_from(self, configuration: Json, *, name: str | None = None) -> str:
        if service_restoring.is_service(configuration):
            return service_restoring.create_from(self._engine, configuration, name=name)
        return restoring.create_from(self._engine, configuration, name=name)

    def copy(self, configuration: Json, copy: Copy) -> None:
        copying.copy(self._engine, configuration, copy)

    def free_bytes(self) -> int:
        return copying.free_bytes(self._engine)

    def discard(self, mark: str) -> None:
        copying.discard(self._engine, mark)

    def trial_copies(self) -> Sequence[str]:
        return copying.trial_copies(self._engine)

    def start(self, key: str) -> None:
        _operations(key).start(self._engine, key)

    def stop(self, key: str, timeout: timedelta | None = None) -> None:
        _operations(key).stop(self._engine, key, timeout)

    def restart(self, key: str, timeout: timedelta | None = None) -> None:
        _operations(key).restart(self._engine, key, timeout)

    def pause(self, key: str) -> None:
        _operations(key).pause(self._engine, key)

    def unpause(self, key: str) -> None:
        _operations(key).unpause(self._engine, key)

    def remove(self, key: str, *, force: bool = False) -> None:
        _operations(key).remove(self._engine, key, force=force)

    def execute(self, key: str, command: Sequence[str], timeout: timedelta) -> ExecResult:
        return _operations(key).execute(self._engine, key, command, timeout)

    def logs(self, key: str, *, tail: int, since: datetime | None = None) -> str:
        return _operations(key).logs(self._engine, key, tail=tail, since=since)

    def remove_image(self, image_id: str) -> bool:
        """False where a container still uses it, or more than one repository names it."""
        try:
            self._engine.delete(f"/images/{image_id}", about=image_id)
        except NotFoundError:
            return True
        except PermanentError:
            return False
        return True

    def plan_replacement(self, request: ReplacementRequest) -> ReplacementPlan:
        if is_service(request.key):
            return service_planning.plan_replacement(self._engine, request)
        return planning.plan_replacement(self._engine, request)

    def affected_by(self, key: str) -> Sequence[Affected]:
        return () if is_service(key) else planning.affected_by(self._engine, key)

    def perform(
        self, step: str, request: ReplacementRequest, document: Json, results: Mapping[str, Json]
    ) -> Json:
        if is_service(request.key):
            return service_update.perform(self._engine, step, request, document)
        return replacement.perform(self._engine, step, request, document, results)

    def revert(
        self, step: str, request: ReplacementRequest, document: Json, results: Mapping[str, Json]
    ) -> None:
        if is_service(request.key):
            service_update.revert(self._engine, step, request, document)
        else:
            replacement.revert(self._engine, step, request, document, results)

    def check_stop(self, key: str) -> None:
        if not is_service(key):
            operations.check_stop(self._engine, key, discovery.inspect_all(self._engine))

    def check_pause(self, key: str) -> None:
        if not is_service(key):
            operations.check_pause(self._engine, key)

    def check_mount(self, key: str, mount: Mount, *, alone: bool = True) -> None:
        volumes.check_mount(self._engine, key, mount, alone=alone)

    def left_out(self, key: str, mount: Mount) -> str:
        return volumes.left_out(self._engine, key, mount)

    def read_mount(self, key: str, mount: Mount) -> AbstractContextManager[Iterator[bytes]]:
        return volumes.read_mount(self._engine, key, mount)

    def write_mount(self, key: str, mount: Mount, tar: Iterator[bytes]) -> None:
        volumes.write_mount(self._engine, key, mount, tar)


class _Operations(Protocol):
    """What can be asked of a container and of a service alike: each is a module."""

    def inspect(self, engine: Engine, key: str, /) -> Json: ...

    def start(self, engine: Engine, key: str, /) -> None: ...

    def stop(self, engine: Engine, key: str, timeout: timedelta | None = None, /) -> None: ...

    def restart(self, engine: Engine, key: str, timeout: timedelta | None = None, /) -> None: ...

    def pause(self, engine: Engine, key: str, /) -> None: ...

    def unpause(self, engine: Engine, key: str, /) -> None: ...

    def remove(self, engine: Engine, key: str, /, *, force: bool = False) -> None: ...

    def execute(
        self, engine: Engine, key: str, command: Sequence[str], timeout: timedelta, /
    ) -> ExecResult: ...

    def logs(self, engine: Engine, key: str, /, *, tail: int, since: datetime | None = None) -> str: ...


def _operations(key: str) -> _Operations:
    return service_operations if is_service(key) else operations
