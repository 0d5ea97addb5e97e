"""Podman as a `Runtime`: each method hands over to the module that knows how."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

from uptainer.core.errors import NotFoundError, PermanentError, TemporaryError, UnreachableError
from uptainer.core.images import ImageFacts
from uptainer.core.secrets import HostSecret
from uptainer.core.workloads import ContainerFacts, EngineFacts, HostAddress, Mount
from uptainer.runtimes.capabilities import Capabilities, Capability, capabilities_of
from uptainer.runtimes.copies import Copy
from uptainer.runtimes.engine import operations
from uptainer.runtimes.podman import copying, discovery, facts, planning, replacement, restoring, volumes
from uptainer.runtimes.podman.capabilities import TABLE, WITHOUT_CGROUPS
from uptainer.runtimes.podman.client import Podman
from uptainer.runtimes.port import (
    Affected,
    ExecResult,
    Json,
    ReplacementPlan,
    ReplacementRequest,
    WorkloadState,
)


class PodmanRuntime:
    """The Podman of one user, root or not. Keeps nothing between calls but its connections; a context manager."""

    def __init__(self, address: HostAddress, secret: HostSecret | None = None) -> None:
        """Raises UnreachableError, AccessDeniedError, UnsupportedError: see `Engine`."""
        self.address = address
        self._podman = Podman(address, secret)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._podman.close()

    def capabilities(self, kind: str) -> Capabilities:
        known = capabilities_of(TABLE, kind)
        host = self._podman.get("/info", about="itself")["host"]
        if host["security"]["rootless"] and host["cgroupVersion"] == "v1":
            return replace(known, refused={**known.refused, **WITHOUT_CGROUPS})
        return known

    def missing_rights(self) -> Mapping[str, Sequence[str]]:
        """Whoever reaches the engine may do everything."""
        return {}

    def engine(self) -> EngineFacts:
        return facts.engine_facts(self._podman.get("/info", about="itself"), self._podman.api_version)

    def containers(self) -> Sequence[ContainerFacts]:
        return discovery.read_containers(self._podman)

    def image(self, name: str) -> ImageFacts:
        return facts.image_facts(self._podman.get(f"/images/{name}/json", about=name))

    def state(self, key: str) -> WorkloadState:
        return facts.workload_state(self.inspect(key))

    def inspect(self, key: str) -> Json:
        return operations.inspect(self._podman, key)

    def configuration(self, key: str) -> Json:
        return restoring.read_configuration(self._podman, key)

    def create_from(self, configuration: Json, *, name: str | None = None) -> str:
        return restoring.create_from(self._podman, configuration, name=name)

    def copy(self, configuration: Json, copy: Copy) -> None:
        copying.copy(self._podman, configuration, copy)

    def free_bytes(self) -> int:
        return copying.free_bytes(self._podman)

    def discard(self, mark: str) -> None:
        copying.discard(self._podman, mark)

    def trial_copies(self) -> Sequence[str]:
        return copying.trial_copies(self._podman)

    def start(self, key: str) -> None:
        operations.start(self._podman, key)

    def stop(self, key: str, timeout: timedelta | None = None) -> None:
        operations.stop(self._podman, key, timeout)

    def restart(self, key: str, timeout: timedelta | None = None) -> None:
        operations.restart(self._podman, key, timeout)

    def pause(self, key: str) -> None:
        self.capabilities("container").require(Capability.PAUSE, key)
        operations.pause(self._podman, key)

    def unpause(self, key: str) -> None:
        self.capabilities("container").require(Capability.UNPAUSE, key)
        operations.unpause(self._podman, key)

    def remove(self, key: str, *, force: bool = False) -> None:
        operations.remove(self._podman, key, force=force)

    def execute(self, key: str, command: Sequence[str], timeout: timedelta) -> ExecResult:
        return operations.execute(self._podman, key, command, timeout)

    def logs(self, key: str, *, tail: int, since: datetime | None = None) -> str:
        return operations.logs(self._podman, key, tail=tail, since=since)

    def remove_image(self, image_id: str) -> bool:
        """False where a container still uses it, or more than one repository names it."""
        try:
            self._podman.delete(f"/images/{image_id}", about=image_id)
        except NotFoundError:
            return True
        except UnreachableError:
            raise
        except (PermanentError, TemporaryError):  # Podman answers 409 or 500 for one that is in use
            return False
        return True

    def plan_replacement(self, request: ReplacementRequest) -> ReplacementPlan:
        return planning.plan_replacement(self._podman, request)

    def affected_by(self, key: str) -> Sequence[Affected]:
        return planning.affected_by(self._podman, key)

    def perform(
        self, step: str, request: ReplacementRequest, document: Json, results: Mapping[str, Json]
    ) -> Json:
        return replacement.perform(self._podman, step, request, document, results)

    def revert(
        self, step: str, request: ReplacementRequest, document: Json, results: Mapping[str, Json]
    ) -> None:
        replacement.revert(self._podman, step, request, document, results)

    def check_stop(self, key: str) -> None:
        operations.check_stop(self._podman, key, discovery.inspect_all(self._podman))

    def check_pause(self, key: str) -> None:
        operations.check_pause(self._podman, key)

    def check_mount(self, key: str, mount: Mount, *, alone: bool = True) -> None:
        volumes.check_mount(self._podman, key, mount, alone=alone)

    def left_out(self, key: str, mount: Mount) -> str:  # noqa: ARG002 -- what would leave anything out is refused
        return ""

    def read_mount(self, key: str, mount: Mount) -> AbstractContextManager[Iterator[bytes]]:
        return volumes.read_mount(self._podman, key, mount)

    def write_mount(self, key: str, mount: Mount, tar: Iterator[bytes]) -> None:
        volumes.write_mount(self._podman, key, mount, tar)
