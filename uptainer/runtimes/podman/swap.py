"""One container making way for another: all that doing it and undoing it needs, as a value that a journal keeps."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from uptainer.core.enums import ContainerStatus
from uptainer.core.errors import InvalidInputError, RefusedError
from uptainer.core.reference import Reference
from uptainer.runtimes.engine import inspection, names
from uptainer.runtimes.engine.names import Role
from uptainer.runtimes.podman import facts, pulling
from uptainer.runtimes.podman.client import Podman
from uptainer.runtimes.podman.create_command import CreateCommand, parse
from uptainer.runtimes.podman.options import refusals
from uptainer.runtimes.podman.specification import Old, specification

Json = Mapping[str, Any]

RUNS = frozenset({ContainerStatus.RUNNING, ContainerStatus.RESTARTING})


@dataclass(frozen=True, slots=True)
class Swap:
    """`body` is what the new container is created with, under the name `beside`.

    With `restart_only` there is no new container: the old one is stopped and started again. An init container ("always"
    or "once") is run to its end before the others of its pod start.
    """

    key: str
    old_id: str
    image_id: str
    beside: str
    aside: str
    was_running: bool
    body: dict[str, Any]
    volumes: list[str]
    restart_only: bool = False
    init: str | None = None

    @classmethod
    def read(cls, document: Json) -> Self:
        return cls(**document)

    def write(self) -> dict[str, Any]:
        return asdict(self)


class Maker:
    """Makes swaps; holds what several of one plan share."""

    def __init__(self, podman: Podman, containers: Mapping[str, Json], pods: Mapping[str, str]) -> None:
        """`containers` by id, `pods` from id to name."""
        self._podman = podman
        self._containers = containers
        self._names_of = {each["Id"]: inspection.key(each) for each in containers.values()}
        self._pods = pods

    def restart(self, container: Json) -> Swap:
        command = parse(container["Config"].get("CreateCommand") or ())
        init = command.value("init-ctr") if command else None
        return self._swap(container, {}, restart_only=True, init=init)

    def same_image(self, container: Json) -> Swap:
        """Made again on the image that it has: by the user's own name for it, while that still stands for it."""
        image = self._image(container)
        written = container.get("ImageName") or container["Config"]["Image"]
        named = pulling.find_image(self._podman, written)
        same = named is not None and named["Id"] == image["Id"]
        return self.replaced(container, written if same else image["Id"])

    def replaced(self, container: Json, reference: str) -> Swap:
        """Raises RefusedError where it could not be made again as it was asked for."""
        key = inspection.key(container)
        command = creation_of(container)
        pod = self._pods.get(container.get("Pod") or "")
        old = Old(
            container,
            self._image(container),
            command,
            self._names_of,
            pod,
            self._inherited(container, command),
        )
        try:
            body = specification(old, names.name_of(Role.NEW, key, container["Id"]), reference)
        except RefusedError as error:
            raise RefusedError(f"{key} can't be made again as it is: {error}") from error
        return self._swap(container, body, init=command.value("init-ctr"))

    def _swap(
        self, container: Json, body: dict[str, Any], *, restart_only: bool = False, init: str | None = None
    ) -> Swap:
        key, container_id = inspection.key(container), container["Id"]
        return Swap(
            key=key,
            old_id=container_id,
            image_id=facts.full_id(container["Image"]),
            beside=names.name_of(Role.NEW, key, container_id),
            aside=names.name_of(Role.OLD, key, container_id),
            was_running=facts.status(container["State"]) in RUNS,
            body=body,
            volumes=[each["Name"] for each in container.get("Mounts") or () if each.get("Name")],
            restart_only=restart_only,
            init=init,
        )

    def _image(self, container: Json) -> Json:
        found = pulling.find_image(self._podman, container["Image"])
        if found is None:
            raise RefusedError(
                f"the image of {inspection.key(container)} is gone from Podman, so it can't be told what of its "
                "configuration the user set, and there would be no way back"
            )
        return found

    def _inherited(self, container: Json, command: CreateCommand) -> frozenset[str]:
        """Destinations that come with `--volumes-from`, and need no mount of their own."""
        by_name = {inspection.key(each): each for each in self._containers.values()}
        theirs: set[tuple[str, str]] = set()
        for value in command.values("volumes-from"):
            name = value.partition(":")[0]
            source = by_name.get(name) or self._containers.get(name)
            if source is None:
                raise RefusedError(
                    f"{inspection.key(container)} has the volumes of {name}, which is gone, so it can't be made again"
                )
            theirs |= {(each.source, each.destination) for each in inspection.mounts(source)}
        own = {(each.source, each.destination) for each in inspection.mounts(container)}
        return frozenset(destination for _, destination in own & theirs)


def creation_of(container: Json) -> CreateCommand:
    """The command line that made it. Raises RefusedError where there is none, or it has what can't be kept."""
    key = inspection.key(container)
    command = parse(container["Config"].get("CreateCommand") or ())
    if command is None:
        raise RefusedError(
            f"{key} was not made by `podman run` or `podman create`, and what Podman shows of it leaves out secrets, "
            "sysctls, static addresses and more: they could be lost. Update it where it was made (podman kube play, "
            "a compose tool over the API), or make it with podman run"
        )
    for reason in refusals(command):
        raise RefusedError(f"{key} can't be updated: {reason}")
    return command


def human_reference(container: Json, image: Reference, tag: Reference) -> str:
    """The name as the user wrote it, where it is the same one: `nginx` stays `nginx`."""
    written = creation_of(container).image
    if tag.tag is None:
        return str(image)
    try:
        same = Reference.parse(written) == tag
    except InvalidInputError:
        same = False  # by image id
    return written if same else str(tag)
