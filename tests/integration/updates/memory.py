"""An engine in memory that keeps the port's promises: for the rules of updates, where no real engine is needed."""

import io
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self

from uptainer.core.enums import ConnectionType, ContainerStatus, Health, RuntimeType
from uptainer.core.errors import NotFoundError, PermanentError
from uptainer.core.images import ImageFacts
from uptainer.core.platform import Platform
from uptainer.core.workloads import ContainerFacts, EngineFacts, HostAddress, Mount
from uptainer.runtimes.capabilities import Capabilities
from uptainer.runtimes.port import (
    Affected,
    ExecResult,
    Json,
    Phase,
    ReplacementPlan,
    ReplacementRequest,
    Step,
    WorkloadState,
)

DATA = Mount("volume", "data", "/volumes/data", "/data", read_only=False)
STARTED = datetime(2026, 5, 1, tzinfo=UTC)
STEPS = (
    ("pull", Phase.PREPARE),
    ("create", Phase.PREPARE),
    ("stop", Phase.STOP),
    ("set_aside", Phase.SWITCH),
    ("take_name", Phase.SWITCH),
    ("start", Phase.SWITCH),
    ("remove_old", Phase.FINISH),
)


@dataclass
class Box:
    """A container. `restarts` is what the engine counts for one that crashes."""

    id: str
    image: str
    running: bool = False
    restarts: int = 0


@dataclass
class MemoryRuntime:
    """`on_step` is called before each step with its verb and name, and may raise what an engine may."""

    images: dict[str, str]
    """Reference with digest to image id: what the registry has."""
    boxes: dict[str, Box]
    data: dict[str, bytes] = field(default_factory=lambda: {"data": b"as it was"})
    mounts: tuple[Mount, ...] = (DATA,)
    bad_images: set[str] = field(default_factory=set)
    on_step: Callable[[str, str], None] = lambda verb, name: None
    calls: list[tuple[str, str]] = field(default_factory=list)
    pulled: dict[str, str] = field(default_factory=dict)
    address: HostAddress = field(
        default_factory=lambda: HostAddress("h", RuntimeType.DOCKER, ConnectionType.UNIX, "unix:///x")
    )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        pass

    def capabilities(self, kind: str) -> Capabilities:
        return Capabilities(kind)

    def missing_rights(self) -> Mapping[str, Sequence[str]]:
        return {}

    def engine(self) -> EngineFacts:
        return EngineFacts("e", "e", "1", "1", Platform("linux", "amd64"), "s", 1, 1)

    def containers(self) -> Sequence[ContainerFacts]:
        return [
            ContainerFacts(
                key=name,
                runtime_id=box.id,
                name=name,
                image_reference="app:1",
                image_id=box.image,
                repo_digests=(),
                status=self._status(box),
                health=Health.NONE,
                restart_count=box.restarts,
                platform=None,
                created_at=STARTED,
                mounts=self.mounts,
            )
            for name, box in self.boxes.items()
        ]

    def image(self, name: str) -> ImageFacts:
        by_id = {image_id: known for known, image_id in self.pulled.items()}
        name = by_id.get(name, name)
        if name not in self.pulled:
            raise NotFoundError(f"no image {name}")
        return ImageFacts(self.pulled[name], (), (name,), {}, Platform("linux", "amd64"), None, 1)

    def state(self, key: str) -> WorkloadState:
        box = self._box(key)
        return WorkloadState(
            box.id,
            self._status(box),
            Health.NONE,
            box.restarts,
            None if box.running else 0,
            box.image,
            STARTED,
        )

    def inspect(self, key: str) -> Json:
        return {"Id": self._box(key).id}

    def configuration(self, key: str) -> Json:
        return {"image": self._box(key).image, "name": key}

    def start(self, key: str) -> None:
        self._box(key).running = True

    def stop(self, key: str, timeout: timedelta | None = None) -> None:
        self._box(key).running = False

    def restart(self, key: str, timeout: timedelta | None = None) -> None:
        self.start(key)

    def pause(self, key: str) -> None:
        self._box(key)

    def unpause(self, key: str) -> None:
        self._box(key)

    def remove(self, key: str, *, force: bool = False) -> None:
        del self.boxes[key]

    def execute(self, key: str, command: Sequence[str], timeout: timedelta) -> ExecResult:
        """A command called `fail` does; one that is run in what is stopped is refused."""
        self.calls.append(("execute", command[0]))
        if not self._box(key).running:
            raise PermanentError(f"{key} does not run")
        return ExecResult(1 if command[0] == "fail" else 0, "said")

    def logs(self, key: str, *, tail: int, since: datetime | None = None) -> str:
        return ""

    def check_stop(self, key: str) -> None:
        self._box(key)

    def check_pause(self, key: str) -> None:
        self._box(key)

    def check_mount(self, key: str, mount: Mount, *, alone: bool = True) -> None:
        self._box(key)

    def left_out(self, key: str, mount: Mount) -> str:
        self._box(key)
        return ""

    @contextmanager
    def read_mount(self, key: str, mount: Mount) -> Iterator[Iterator[bytes]]:
        raw = io.BytesIO()
        with tarfile.open(fileobj=raw, mode="w") as tar:
            entry = tarfile.TarInfo("file")
            entry.size = len(self.data[mount.name])
            tar.addfile(entry, io.BytesIO(self.data[mount.name]))
        yield iter([raw.getvalue()])

    def write_mount(self, key: str, mount: Mount, tar: Iterator[bytes]) -> None:
        assert not self._box(key).running
        with tarfile.open(fileobj=io.BytesIO(b"".join(tar))) as archive:
            member = archive.extractfile("file")
            assert member is not None
            self.data[mount.name] = member.read()

    def remove_image(self, image_id: str) -> bool:
        return True

    def create_from(self, configuration: Json, *, name: str | None = None) -> str:
        key = name or configuration["name"]
        self.boxes[key] = Box(f"made-{key}", configuration["image"])
        return str(key)

    def plan_replacement(self, request: ReplacementRequest) -> ReplacementPlan:
        box = self._box(request.key)
        steps = tuple(Step(name, phase, f"{name} {request.key}") for name, phase in STEPS)
        document = {
            "old_id": box.id,
            "ran": box.running,
            "new": f"new-{request.key}",
            "aside": f"old-{request.key}",
        }
        return ReplacementPlan(request.key, steps, document)

    def affected_by(self, key: str) -> Sequence[Affected]:
        return ()

    def perform(
        self, step: str, request: ReplacementRequest, document: Json, results: Mapping[str, Json]
    ) -> Json:
        self.calls.append(("perform", step))
        self.on_step("perform", step)
        return getattr(self, f"_{step}")(request, document) or {}

    def revert(
        self, step: str, request: ReplacementRequest, document: Json, results: Mapping[str, Json]
    ) -> None:
        self.calls.append(("revert", step))
        self.on_step("revert", step)
        getattr(self, f"_un_{step}", lambda *_: None)(request, document)

    def _pull(self, request: ReplacementRequest, document: Json) -> Json:
        name = str(request.image)
        if name not in self.images:
            raise NotFoundError(f"the registry has no {name}")
        self.pulled[name] = self.images[name]
        return {"image_id": self.pulled[name]}

    def _create(self, request: ReplacementRequest, document: Json) -> Json:
        image = self.pulled[str(request.image)]
        if document["new"] not in self.boxes:
            self.boxes[document["new"]] = Box(f"id-of-{image}", image)
        return {"id": self.boxes[document["new"]].id, "image_id": image}

    def _un_create(self, request: ReplacementRequest, document: Json) -> None:
        self.boxes.pop(document["new"], None)

    def _stop(self, request: ReplacementRequest, document: Json) -> None:
        self._old(document).running = False

    def _un_stop(self, request: ReplacementRequest, document: Json) -> None:
        self._old(document).running = document["ran"]

    def _set_aside(self, request: ReplacementRequest, document: Json) -> None:
        self._rename(document["old_id"], document["aside"])

    def _un_set_aside(self, request: ReplacementRequest, document: Json) -> None:
        self._rename(document["old_id"], request.key)

    def _take_name(self, request: ReplacementRequest, document: Json) -> None:
        if document["new"] in self.boxes:
            self._rename(self.boxes[document["new"]].id, request.key)

    def _un_take_name(self, request: ReplacementRequest, document: Json) -> None:
        box = self.boxes.get(request.key)
        if box is not None and box.id != document["old_id"]:
            self._rename(box.id, document["new"])

    def _start(self, request: ReplacementRequest, document: Json) -> None:
        if document["ran"]:
            box = self.boxes[request.key]
            box.running, box.restarts = True, int(box.image in self.bad_images)
            self.data["data"] = b"written by the new one"

    def _un_start(self, request: ReplacementRequest, document: Json) -> None:
        for box in self.boxes.values():
            if box.id != document["old_id"]:
                box.running = False

    def _remove_old(self, request: ReplacementRequest, document: Json) -> None:
        self.boxes.pop(document["aside"], None)

    def _rename(self, box_id: str, name: str) -> None:
        current = next(each for each, box in self.boxes.items() if box.id == box_id)
        if current != name:
            assert name not in self.boxes
            self.boxes[name] = self.boxes.pop(current)

    def _old(self, document: Json) -> Box:
        return next(box for box in self.boxes.values() if box.id == document["old_id"])

    def _box(self, key: str) -> Box:
        if key not in self.boxes:
            raise NotFoundError(f"no container {key}")
        return self.boxes[key]

    @staticmethod
    def _status(box: Box) -> ContainerStatus:
        return ContainerStatus.RUNNING if box.running else ContainerStatus.EXITED


def one_running(runtime: Any, key: str = "web") -> str:
    """The image under the name; nothing else is there, and it runs."""
    assert list(runtime.boxes) == [key]
    assert runtime.boxes[key].running
    return str(runtime.boxes[key].image)
