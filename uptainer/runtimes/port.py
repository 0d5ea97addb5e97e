"""The port that every runtime stands behind.

A runtime reads its engine, operates workloads, moves volume data as tar streams, and replaces a workload by steps
that a journal can hold. It never decides anything, and it keeps nothing in memory that the next process would need:
whatever a step must know stands in the plan or in the results of the steps before it.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from types import TracebackType
from typing import Any, Protocol, Self, runtime_checkable

from uptainer.core.enums import ContainerStatus, Health
from uptainer.core.images import ImageFacts
from uptainer.core.platform import Platform
from uptainer.core.reference import Reference
from uptainer.core.workloads import ContainerFacts, EngineFacts, HostAddress, Mount
from uptainer.runtimes.capabilities import Capabilities

Json = Mapping[str, Any]


class Phase(StrEnum):
    """When a step of a replacement runs.

    PREPARE leaves the running workload alone. STOP begins the downtime; data is backed up right after it, when
    nothing writes any more. SWITCH puts the new one in its place and ends the downtime. FINISH removes the old one,
    and is run only when the new one has proved healthy; it is the only phase that cannot be undone.
    """

    PREPARE = "prepare"
    STOP = "stop"
    SWITCH = "switch"
    FINISH = "finish"


@dataclass(frozen=True, slots=True)
class Step:
    """`name` is stable, for the journal; `sentence` says to a person what will be done to what."""

    name: str
    phase: Phase
    sentence: str


@dataclass(frozen=True, slots=True)
class ReplacementRequest:
    """Replace the workload `key` by `image`, a reference with a digest; `tag` is what the container is to be named by.

    `registry_auth` is `{"username": ..., "password": ...}` or None, held in memory only and never journalled.
    """

    key: str
    image: Reference
    tag: Reference
    platform: Platform | None = None
    stop_timeout: timedelta | None = None
    keep_old: bool = False
    registry_auth: Mapping[str, str] | None = None
    snapshot: bool = False
    """The policy asks for the data to be kept: a runtime that keeps data by means of its own plans a step for it."""
    snapshots_kept: int = 3
    """How many of such snapshots of one volume stay, the newest; those before go when the new one is well."""
    health_deadline: timedelta | None = None
    """How long the policy lets it take to become healthy; for a runtime that waits for that by itself."""
    overrule_gitops: bool = False
    """The policy lets a workload be updated although a repository holds it to another image."""


@dataclass(frozen=True, slots=True)
class Affected:
    """Another workload that is restarted or recreated with the one that is replaced, as it was when it was looked at."""

    key: str
    runtime_id: str
    running: bool


@dataclass(frozen=True, slots=True)
class ReplacementPlan:
    """The steps in order, and the document that they read: JSON, stored with the update before the first act.

    `document` holds all that undoing needs (the old container's whole configuration among it), and no secret that the
    engine itself does not show to whoever inspects the container.
    """

    key: str
    steps: tuple[Step, ...]
    document: Json
    affected: tuple[Affected, ...] = ()
    """The others that go down and up with it, in the order in which they start again."""
    same_identity: bool = True
    """Undoing brings back the very same `runtime_id`; False where it brings back one that is like the old one."""


@dataclass(frozen=True, slots=True)
class WorkloadState:
    """What is running under a key right now; `image_id` and `restart_count` tell old from new, well from crashing.

    `image_id` is comparable to that of `Runtime.image`, for the reference that was deployed.
    """

    runtime_id: str
    status: ContainerStatus
    health: Health
    restart_count: int
    exit_code: int | None
    image_id: str
    started_at: datetime | None
    addresses: Mapping[str, str] = field(default_factory=dict)
    """IP address on each network, for probes from this machine."""
    health_log: str = ""


@dataclass(frozen=True, slots=True)
class ExecResult:
    exit_code: int
    output: str


@dataclass(frozen=True, slots=True)
class PullLogins:
    """`auths` is by registry, as in Docker's `config.json`, and held in memory only; `faults` say what is missing."""

    auths: Mapping[str, Json] = field(default_factory=dict, repr=False)
    faults: tuple[str, ...] = ()


class Replaces(Protocol):
    """Replacing one workload. Each `perform` and `revert` is idempotent: it asks the engine what is done already."""

    def plan_replacement(self, request: ReplacementRequest) -> ReplacementPlan:
        """Read what is there and say what would be done; touches nothing.

        Raises: RefusedError, where something would be lost, and the message says what; NotFoundError, UnreachableError.
        """
        ...

    def affected_by(self, key: str) -> Sequence[Affected]:
        """Who would go down and up with it if its replacement was planned now. Raises: NotFoundError, UnreachableError."""
        ...

    def perform(
        self, step: str, request: ReplacementRequest, document: Json, results: Mapping[str, Json]
    ) -> Json:
        """Do one step and return what later steps and the undo need; done before, it returns the same again."""
        ...

    def revert(
        self, step: str, request: ReplacementRequest, document: Json, results: Mapping[str, Json]
    ) -> None:
        """Undo one step, whether it was done, half done or never begun. Steps are reverted in reverse order."""
        ...


class Runtime(Replaces, Protocol):
    """One engine. Opened by `uptainer.runtimes.connections.connect(address, ...)`; used as a context manager."""

    address: HostAddress

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def close(self) -> None: ...

    def capabilities(self, kind: str) -> Capabilities:
        """What can be done with a workload of this kind here, and why the rest can't."""
        ...

    def missing_rights(self) -> Mapping[str, Sequence[str]]:
        """What this connection may not do, by what that is needed for ("update"); empty where it may do everything."""
        ...

    def engine(self) -> EngineFacts: ...

    def containers(self) -> Sequence[ContainerFacts]:
        """Every container, running or not. Raises UnreachableError rather than return a part of them."""
        ...

    def image(self, name: str) -> ImageFacts:
        """By id or reference, as the engine holds it.

        A cluster holds no images: there a reference with a digest is known by that digest, and by nothing else.
        """
        ...

    def state(self, key: str) -> WorkloadState: ...

    def inspect(self, key: str) -> Json: ...

    def configuration(self, key: str) -> Json:
        """All that is needed to create it again, for the backup."""
        ...

    # operate
    def start(self, key: str) -> None: ...

    def stop(self, key: str, timeout: timedelta | None = None) -> None: ...

    def restart(self, key: str, timeout: timedelta | None = None) -> None: ...

    def pause(self, key: str) -> None: ...

    def unpause(self, key: str) -> None: ...

    def remove(self, key: str, *, force: bool = False) -> None: ...

    def execute(self, key: str, command: Sequence[str], timeout: timedelta) -> ExecResult: ...

    def logs(self, key: str, *, tail: int, since: datetime | None = None) -> str: ...

    # data
    def check_stop(self, key: str) -> None:
        """Say before anything is touched whether it alone can be stopped and started again; raises RefusedError if not."""
        ...

    def check_pause(self, key: str) -> None:
        """Say before anything is touched whether it can be paused and let go on; raises RefusedError if not."""
        ...

    def check_mount(self, key: str, mount: Mount, *, alone: bool = True) -> None:
        """Say before anything is touched whether the mount can be read and restored; raises RefusedError if not.

        It is the one thing that is stopped for that when it is `alone`; else all that depends on it is too, as in an update.
        """
        ...

    def left_out(self, key: str, mount: Mount) -> str:
        """What the mount's tar stream leaves out and why, so that a restore can't bring it back; "" for nothing."""
        ...

    def read_mount(self, key: str, mount: Mount) -> AbstractContextManager[Iterator[bytes]]:
        """The mount's content as a tar stream, read without a shell in any image."""
        ...

    def write_mount(self, key: str, mount: Mount, tar: Iterator[bytes]) -> None:
        """Make the mount's content exactly what the tar says: what is not in it is gone afterwards."""
        ...

    # images
    def remove_image(self, image_id: str) -> bool:
        """False where something still uses it."""
        ...

    def create_from(self, configuration: Json, *, name: str | None = None) -> str:
        """Create a container again from what `configuration` gave, not started; returns its key."""
        ...


@runtime_checkable
class HoldsLogins(Protocol):
    """A runtime that is told by its own workloads with which logins their images are pulled."""

    def registry_logins(self, containers: Sequence[ContainerFacts]) -> Mapping[str, PullLogins]:
        """By key. What can't be read is told in `faults`, and raises nothing; raises UnreachableError."""
        ...
