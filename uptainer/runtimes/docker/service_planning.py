"""What replacing the image of a service would do, and what forbids it; reads the swarm and touches nothing."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from uptainer.core.errors import BusyError, InvalidInputError, RefusedError
from uptainer.core.reference import Reference
from uptainer.runtimes.capabilities import Capability
from uptainer.runtimes.docker import service_discovery, service_facts, service_scale, services
from uptainer.runtimes.docker.capabilities import TABLE
from uptainer.runtimes.docker.service_facts import Surroundings
from uptainer.runtimes.docker.service_rollout import STOPPED, UNDER_WAY
from uptainer.runtimes.docker.services import image_of
from uptainer.runtimes.engine.client import Engine
from uptainer.runtimes.engine.own_container import refuse_this_process
from uptainer.runtimes.port import Phase, ReplacementPlan, ReplacementRequest, Step

Json = Mapping[str, Any]

CHECK_IMAGE, SCALE_DOWN, SERVICE_UPDATE, ROLLOUT = "check_image", "scale_down", "service_update", "rollout"


@dataclass(frozen=True, slots=True)
class Document:
    """`before` is the service's whole spec when it was planned. `image` is what the new spec has, `way_back` what an
    undo puts in its place, both by digest. `running` is how many tasks ran. `stopped` is the spec while data is backed
    up, and the same as `before` where none is.
    """

    key: str
    service_id: str
    before: Json
    stopped: Json
    image: str
    way_back: str
    running: int

    @classmethod
    def read(cls, document: Json) -> Self:
        return cls(**document)

    @property
    def stops(self) -> bool:
        return self.stopped != self.before

    @property
    def after(self) -> Json:
        return with_image(self.before, self.image)


def plan_replacement(engine: Engine, request: ReplacementRequest) -> ReplacementPlan:
    """Raises: RefusedError, NotFoundError, UnreachableError, BusyError. See the port."""
    if request.image.digest is None:
        raise InvalidInputError(
            f"{request.image} has no digest: what is deployed is exactly what was approved"
        )
    service = services.find(engine, request.key)
    around = service_discovery.surroundings(engine, service)
    _refuse_unsafe(service, around)
    spec, stops = service["Spec"], request.snapshot and _has_data(service["Spec"])
    document = Document(
        key=request.key,
        service_id=service["ID"],
        before=spec,
        stopped=service_scale.stopped(spec, around.tasks) if stops else spec,
        image=_image(spec, request),
        way_back=_way_back(service, around),
        running=len(service_facts.running(around.tasks)),
    )
    return ReplacementPlan(request.key, tuple(_steps(document)), asdict(document))


def with_image(spec: Json, image: str) -> dict[str, Any]:
    template = spec["TaskTemplate"]
    container = {**template["ContainerSpec"], "Image": image}
    return {**spec, "TaskTemplate": {**template, "ContainerSpec": container}}


def _refuse_unsafe(service: Json, around: Surroundings) -> None:
    key, update = services.key_of(service), service.get("UpdateStatus") or {}
    if reason := TABLE[service_facts.kind(service["Spec"])].get(Capability.UPDATE):
        raise RefusedError(f"{key} can't be updated: {reason}")
    if update.get("State") in UNDER_WAY:
        raise BusyError(f"{key} is being updated by somebody else: {update.get('Message', '')}")
    if update.get("State") in STOPPED:
        raise RefusedError(
            f"{key}: its last update stopped in the middle ({update.get('Message', '')}): finish it or roll it back "
            f"first, with `docker service update` or `docker service rollback {service['Spec']['Name']}`"
        )
    for each in around.here:
        refuse_this_process(key, each["Id"])


def _image(spec: Json, request: ReplacementRequest) -> str:
    """The name as the user wrote it, where it is the same one, and the digest as Docker's client adds it."""
    if request.tag.tag is None:
        return request.image.familiar
    written, _ = services.split_image(image_of(spec))
    same = "@" not in written and Reference.parse(written) == request.tag
    return f"{written if same else replace(request.tag, digest=None).familiar}@{request.image.digest}"


def _way_back(service: Json, around: Surroundings) -> str:
    """The image that it has now, by digest: a tag may have moved to what is being undone."""
    image = image_of(service["Spec"])
    if services.pinned(image):
        return image
    name = Reference.parse(image).name
    for each in around.image.repo_digests if around.image else ():
        known = Reference.parse(each)
        if known.name == name:
            return f"{image}@{known.digest}"
    raise RefusedError(
        f"{services.key_of(service)} is not pinned to a digest, and none of its tasks here shows one, so what runs "
        f"now could not be brought back exactly: run `docker service update --image {image}` once"
    )


def _has_data(spec: Json) -> bool:
    """A job and a global service have no number that could be nought."""
    own = service_facts.mounts(spec["TaskTemplate"]["ContainerSpec"])
    return service_facts.replicas(spec) is not None and any(
        each.kind == "volume" and not each.read_only for each in own
    )


def _steps(document: Document) -> list[Step]:
    key, image = document.key, document.image
    check = Step(CHECK_IMAGE, Phase.PREPARE, f"ask the registry for {image}, as the nodes of the swarm will")
    stop = Step(SCALE_DOWN, Phase.STOP, f"scale {key} to no tasks, so that nothing writes to its data")
    return [
        check,
        *([stop] if document.stops else []),
        Step(SERVICE_UPDATE, Phase.SWITCH, f"have the swarm replace the tasks of {key} by {image}"),
        Step(ROLLOUT, Phase.SWITCH, f"watch the swarm replace the tasks of {key} to the end"),
    ]
