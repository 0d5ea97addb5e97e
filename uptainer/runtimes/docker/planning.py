"""What replacing a container would do, and what forbids it; reads the engine and touches nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from uptainer.core.enums import ContainerStatus
from uptainer.core.errors import InvalidInputError, NotFoundError, RefusedError
from uptainer.core.reference import Reference
from uptainer.runtimes.docker import discovery, pulling
from uptainer.runtimes.docker.dependants import Dependant, find_dependants
from uptainer.runtimes.docker.exchange import find
from uptainer.runtimes.docker.swap import RUNS, Surroundings, Swap, swap_of
from uptainer.runtimes.engine import inspection
from uptainer.runtimes.engine.client import Engine
from uptainer.runtimes.engine.own_container import refuse_this_process
from uptainer.runtimes.port import Affected, Phase, ReplacementPlan, ReplacementRequest, Step

Json = Mapping[str, Any]

_FOREIGN_OWNERS = {
    "com.docker.swarm.service.id": "Swarm",
    "io.kubernetes.pod.uid": "Kubernetes",
}


@dataclass(frozen=True, slots=True)
class Document:
    """What the journal keeps of a plan: every act and undo reads it, and nothing else."""

    main: Swap
    dependants: list[Swap]
    image_ids: dict[str, str]
    """For each dependant that is made again, the id of the image that it has and keeps."""
    tag_before: str | None
    old: dict[str, Any]
    """The old container as inspected."""

    @property
    def replaced(self) -> frozenset[str]:
        """The ids of all the old ones that new ones are made for."""
        return frozenset(each.old_id for each in (self.main, *self.dependants) if not each.restart_only)

    def write(self) -> dict[str, Any]:
        return {
            "main": self.main.write(),
            "dependants": [each.write() for each in self.dependants],
            "image_ids": self.image_ids,
            "tag_before": self.tag_before,
            "old": self.old,
        }


def read_document(document: Json) -> Document:
    return Document(
        main=Swap.read(document["main"]),
        dependants=[Swap.read(each) for each in document["dependants"]],
        image_ids=dict(document["image_ids"]),
        tag_before=document["tag_before"],
        old=dict(document["old"]),
    )


def plan_replacement(engine: Engine, request: ReplacementRequest) -> ReplacementPlan:
    """Raises: RefusedError, NotFoundError, UnreachableError. See the port."""
    if request.image.digest is None:
        raise InvalidInputError(
            f"{request.image} has no digest: what is deployed is exactly what was approved"
        )
    containers = discovery.inspect_all(engine)
    target = _target(containers, request.key)
    dependants = find_dependants(target, containers)
    for each in (target, *(dependant.container for dependant in dependants)):
        _refuse_unsafe(each)
    document = _document(engine, request, target, dependants, containers)
    return ReplacementPlan(
        key=request.key,
        steps=tuple(_steps(document, request)),
        document=document.write(),
        affected=tuple(_affected(each.container) for each in dependants),
    )


def affected_by(engine: Engine, key: str) -> tuple[Affected, ...]:
    """Raises: NotFoundError, UnreachableError. See the port."""
    containers = discovery.inspect_all(engine)
    return tuple(_affected(each.container) for each in find_dependants(_target(containers, key), containers))


def _affected(container: Json) -> Affected:
    return Affected(inspection.key(container), container["Id"], container["State"]["Status"] in RUNS)


def _target(containers: Sequence[Json], key: str) -> Json:
    for each in containers:
        if inspection.key(each) == key:
            return each
    raise NotFoundError(f"there is no container named {key}")


def _refuse_unsafe(container: Json) -> None:
    key, host, status = inspection.key(container), container["HostConfig"], container["State"]["Status"]
    if host.get("AutoRemove"):
        raise RefusedError(
            f"{key} was started with --rm: stopping it removes it, and there would be no way back. "
            "Start it without --rm to have it updated."
        )
    if status == ContainerStatus.PAUSED:
        raise RefusedError(
            f"{key} is paused, and somebody paused it for a reason: unpause it to have it updated"
        )
    if status in (ContainerStatus.REMOVING, ContainerStatus.DEAD):
        raise RefusedError(f"{key} is being removed, or its removal failed: the engine calls it {status}")
    for label, owner in _FOREIGN_OWNERS.items():
        if label in (container["Config"].get("Labels") or {}):
            raise RefusedError(f"{key} belongs to {owner}, which would put the old one back: update it there")
    refuse_this_process(key, container["Id"])


def _document(
    engine: Engine,
    request: ReplacementRequest,
    target: Json,
    dependants: Sequence[Dependant],
    containers: Sequence[Json],
) -> Document:
    names_of = {each["Id"]: inspection.key(each) for each in containers}
    reader = _Reader(engine, names_of, containers)
    tagged = pulling.find_tagged(engine, request.tag)
    return Document(
        main=swap_of(
            target, reader.image_of(target), human_reference(target, request), reader.around(target)
        ),
        dependants=[reader.swap_of_dependant(each) for each in dependants],
        image_ids={
            inspection.key(each.container): each.container["Image"] for each in dependants if each.recreate
        },
        tag_before=tagged["Id"] if tagged else None,
        old=dict(target),
    )


def human_reference(container: Json, request: ReplacementRequest) -> str:
    """The name as the user wrote it, where it is the same one: `nginx` stays `nginx`."""
    written: str = container["Config"]["Image"]
    try:
        same = Reference.parse(written) == request.tag
    except InvalidInputError:
        same = False  # by image id
    if request.tag.tag is None:
        return str(request.image)
    return written if same else request.tag.familiar


class _Reader:
    """The engine's answers that several swaps of one plan share."""

    def __init__(self, engine: Engine, names_of: Mapping[str, str], containers: Sequence[Json]) -> None:
        self._engine = engine
        self._names_of = names_of
        self._containers = {inspection.key(each): each for each in containers}
        self._engine_name: str = engine.get("/info", about="itself")["Name"]
        self._images: dict[str, Json] = {}

    def image_of(self, container: Json) -> Json:
        image_id = container["Image"]
        found = self._images.get(image_id) or pulling.find_image(self._engine, image_id)
        if found is None:
            raise RefusedError(
                f"the image of {inspection.key(container)} is gone from the engine, so it can't be told what of its "
                "configuration the user set, and there would be no way back"
            )
        return self._images.setdefault(image_id, found)

    def around(self, container: Json) -> Surroundings:
        return Surroundings(
            self._engine_name, self._engine.api_version, self._names_of, self._inherited(container)
        )

    def swap_of_dependant(self, dependant: Dependant) -> Swap:
        container = dependant.container
        reference = self._same_image(container) if dependant.recreate else container["Config"]["Image"]
        return swap_of(
            container,
            self.image_of(container),
            reference,
            self.around(container),
            restart_only=not dependant.recreate,
        )

    def _same_image(self, container: Json) -> str:
        """A name for the image that it has: the user's own, while that still stands for it, else by digest, else by id."""
        written, image = container["Config"]["Image"], self.image_of(container)
        named = pulling.find_image(self._engine, written)
        if named and named["Id"] == image["Id"]:
            return str(written)
        return str(next(iter(image.get("RepoDigests") or ()), image["Id"]))

    def _inherited(self, container: Json) -> frozenset[str]:
        """Destinations whose volumes still are those of the containers in `VolumesFrom`."""
        theirs: set[tuple[str, str]] = set()
        for entry in container["HostConfig"].get("VolumesFrom") or ():
            target = str(entry).split(":")[0]
            name = self._names_of.get(target, target)
            source = self._containers.get(name) or find(self._engine, target)
            if source is None:
                raise RefusedError(
                    f"{inspection.key(container)} has the volumes of {target}, which is gone, so it can't be made again"
                )
            theirs |= {(each.name, each.destination) for each in inspection.mounts(source)}
        own = {(each.name, each.destination) for each in inspection.mounts(container)}
        return frozenset(destination for _, destination in own & theirs)


def _steps(document: Document, request: ReplacementRequest) -> list[Step]:
    key, main = request.key, document.main
    others = ", ".join(each.key for each in document.dependants)
    running = main.was_running
    steps = [
        Step("pull", Phase.PREPARE, f"pull {request.image} and name it {main.body['Image']}"),
        Step("create", Phase.PREPARE, f"create the new container beside {key}, as {main.beside}"),
    ]
    if others:
        steps.append(Step("stop_dependants", Phase.STOP, f"stop what depends on {key}: {others}"))
    steps += [
        Step("stop", Phase.STOP, f"stop {key}" if running else f"leave {key} stopped, as it is"),
        Step("disarm", Phase.SWITCH, f"take the restart policy of the old {key} away"),
        Step("set_aside", Phase.SWITCH, f"rename the old {key} to {main.aside}"),
        Step("take_name", Phase.SWITCH, f"give the new container the name {key}"),
        Step(
            "start",
            Phase.SWITCH,
            f"start the new {key}" if running else f"leave the new {key} stopped, as the old one was",
        ),
    ]
    if others:
        steps.append(Step("dependants", Phase.SWITCH, f"{_verbs(document)} what depends on {key}: {others}"))
    if not request.keep_old:
        steps.append(Step("remove_old", Phase.FINISH, f"remove the old {key}"))
    return steps


def _verbs(document: Document) -> str:
    """Truthful of a mixed group too."""
    recreated = any(not each.restart_only for each in document.dependants)
    restarted = any(each.restart_only for each in document.dependants)
    return " or ".join(verb for verb, does in (("make again", recreated), ("start", restarted)) if does)
