"""What replacing a container would do, and what forbids it; reads Podman and touches nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from uptainer.core.enums import ContainerStatus
from uptainer.core.errors import InvalidInputError, NotFoundError, RefusedError
from uptainer.core.reference import Reference
from uptainer.runtimes.engine import inspection
from uptainer.runtimes.engine.own_container import refuse_this_process
from uptainer.runtimes.podman import discovery, exchange, pulling
from uptainer.runtimes.podman.client import Podman
from uptainer.runtimes.podman.dependants import Dependant, find_dependants
from uptainer.runtimes.podman.specification import without_secrets
from uptainer.runtimes.podman.swap import Maker, Swap, human_reference
from uptainer.runtimes.podman.unit_obstacles import (
    refuse_companions,
    refuse_own_pulls,
    refuse_unnamed_volumes,
)
from uptainer.runtimes.podman.units import Units, unit_of
from uptainer.runtimes.port import Affected, Phase, ReplacementPlan, ReplacementRequest, Step

Json = Mapping[str, Any]

_STARTS_AT_BOOT = frozenset({"always", "unless-stopped"})


@dataclass(frozen=True, slots=True)
class Document:
    """What the journal keeps of a plan: every act and undo reads it, and nothing else.

    `infra` is the container that holds the target's pod together. With `unit` there is no swap: the unit makes the
    new container, and `main` says only what the old one was.
    """

    main: Swap
    dependants: list[Swap]
    infra: str | None
    unit: str | None
    tag_before: str | None
    old: dict[str, Any]

    @property
    def replaced(self) -> frozenset[str]:
        """The ids of all the old ones that new ones are made for."""
        return frozenset(each.old_id for each in (self.main, *self.dependants) if not each.restart_only)

    def write(self) -> dict[str, Any]:
        return {
            "main": self.main.write(),
            "dependants": [each.write() for each in self.dependants],
            "infra": self.infra,
            "unit": self.unit,
            "tag_before": self.tag_before,
            "old": self.old,
        }


def read_document(document: Json) -> Document:
    return Document(
        main=Swap.read(document["main"]),
        dependants=[Swap.read(each) for each in document["dependants"]],
        infra=document["infra"],
        unit=document["unit"],
        tag_before=document["tag_before"],
        old=dict(document["old"]),
    )


def plan_replacement(podman: Podman, request: ReplacementRequest) -> ReplacementPlan:
    """Raises: RefusedError, NotFoundError, UnreachableError. See the port."""
    if request.image.digest is None:
        raise InvalidInputError(
            f"{request.image} has no digest: what is deployed is exactly what was approved"
        )
    containers = {each["Id"]: each for each in discovery.inspect_all(podman)}
    target = _target(containers, request.key)
    maker = Maker(podman, containers, discovery.pod_names(podman))
    if unit := unit_of(target["Config"].get("Labels") or {}):
        _refuse_unsafe_unit(target, unit, containers)
        return _by_unit(podman, request, target, unit, maker)
    return _by_swap(podman, request, target, containers, maker)


def _target(containers: Mapping[str, Json], key: str) -> Json:
    for each in containers.values():
        if inspection.key(each) == key:
            return each
    raise NotFoundError(f"there is no container named {key}")


def _by_swap(
    podman: Podman, request: ReplacementRequest, target: Json, containers: Mapping[str, Json], maker: Maker
) -> ReplacementPlan:
    dependants = find_dependants(target, list(containers.values()))
    for each in (target, *(dependant.container for dependant in dependants)):
        _refuse_unsafe(each)
    for each in (target, *(dependant.container for dependant in dependants if dependant.recreate)):
        _refuse_kept(each, request)
    _refuse_foreign_pods(target, dependants)
    main = maker.replaced(target, human_reference(target, request.image, request.tag))
    infra = _infra_of(target, containers)
    if main.init and infra and exchange.runs(containers[infra]):
        raise RefusedError(
            f"{request.key} is an init container, and Podman takes one into a stopped pod only: "
            "stop the pod to have it updated, and start it afterwards"
        )
    document = Document(
        main=main,
        dependants=[
            maker.same_image(each.container) if each.recreate else maker.restart(each.container)
            for each in dependants
        ],
        infra=infra,
        unit=None,
        tag_before=pulling.find_tagged(podman, request.tag),
        old=without_secrets(target),
    )
    return ReplacementPlan(
        key=request.key,
        steps=tuple(_steps(document, request)),
        document=document.write(),
        affected=tuple(_affected(each.container) for each in dependants),
    )


def affected_by(podman: Podman, key: str) -> tuple[Affected, ...]:
    """Raises: NotFoundError, UnreachableError. See the port."""
    containers = {each["Id"]: each for each in discovery.inspect_all(podman)}
    target = _target(containers, key)
    if unit_of(target["Config"].get("Labels") or {}):
        return ()
    return tuple(_affected(each.container) for each in find_dependants(target, list(containers.values())))


def _affected(container: Json) -> Affected:
    return Affected(inspection.key(container), container["Id"], exchange.runs(container))


def _infra_of(target: Json, containers: Mapping[str, Json]) -> str | None:
    pod = target.get("Pod")
    holders = (
        each["Id"] for each in containers.values() if discovery.is_infra(each) and each.get("Pod") == pod
    )
    return next(holders, None) if pod else None


def _refuse_unsafe(container: Json) -> None:
    key, host, status = inspection.key(container), container["HostConfig"], container["State"]["Status"]
    if discovery.is_infra(container):
        raise RefusedError(f"{key} holds a pod together, and comes and goes with it")
    if host.get("AutoRemove"):
        raise RefusedError(
            f"{key} was started with --rm: stopping it removes it, and there would be no way back. "
            "Start it without --rm to have it updated."
        )
    if status == ContainerStatus.PAUSED:
        raise RefusedError(
            f"{key} is paused, and somebody paused it for a reason: unpause it to have it updated"
        )
    if status == ContainerStatus.REMOVING:
        raise RefusedError(f"{key} is being removed")
    if container.get("Rootfs"):
        raise RefusedError(f"{key} runs from a folder (--rootfs), and from no image that could be newer")
    refuse_this_process(key, container["Id"])


def _refuse_kept(container: Json, request: ReplacementRequest) -> None:
    """Podman's boot service starts all that has such a policy, and a pod all that it has."""
    if not request.keep_old:
        return
    key, policy = inspection.key(container), (container["HostConfig"].get("RestartPolicy") or {}).get("Name")
    if container.get("Pod"):
        raise RefusedError(f"the old {key} can't be kept: its pod would start it beside the new one")
    if policy in _STARTS_AT_BOOT:
        raise RefusedError(
            f"the old {key} can't be kept: its restart policy {policy} can't be taken away, and at the next boot "
            "Podman would start it beside the new one"
        )


def _refuse_foreign_pods(target: Json, dependants: Sequence[Dependant]) -> None:
    for each in dependants:
        pod = each.container.get("Pod")
        if pod and pod != target.get("Pod"):
            raise RefusedError(
                f"{inspection.key(each.container)}, which is in a pod of its own, depends on {inspection.key(target)}: "
                "stop its pod and update them one by one"
            )
        if unit := unit_of(each.container["Config"].get("Labels") or {}):
            raise RefusedError(
                f"{inspection.key(each.container)}, which belongs to the unit {unit}, depends on {inspection.key(target)}: "
                "stop the unit to have the other updated"
            )


def _steps(document: Document, request: ReplacementRequest) -> list[Step]:
    key, main = request.key, document.main
    others = ", ".join(each.key for each in document.dependants)
    running = main.was_running
    steps = [
        Step("pull", Phase.PREPARE, f"pull {request.image} and name it {main.body['image']}"),
        Step("create", Phase.PREPARE, f"create the new container beside {key}, as {main.beside}"),
    ]
    if others:
        steps.append(Step("stop_dependants", Phase.STOP, f"stop what goes with {key}: {others}"))
    steps += [
        Step("stop", Phase.STOP, f"stop {key}" if running else f"leave {key} stopped, as it is"),
        Step("set_aside", Phase.SWITCH, f"rename the old {key} to {main.aside}"),
        Step("take_name", Phase.SWITCH, f"give the new container the name {key}"),
        Step(
            "start",
            Phase.SWITCH,
            f"start the new {key}" if running else f"leave the new {key} stopped, as the old one was",
        ),
    ]
    if others:
        steps.append(Step("dependants", Phase.SWITCH, f"{_verbs(document)} what goes with {key}: {others}"))
    if not request.keep_old:
        steps.append(Step("remove_old", Phase.FINISH, f"remove the old {key}"))
    return steps


def _verbs(document: Document) -> str:
    """Truthful of a mixed group too."""
    recreated = any(not each.restart_only for each in document.dependants)
    restarted = any(each.restart_only for each in document.dependants)
    return " or ".join(verb for verb, does in (("make again", recreated), ("start", restarted)) if does)


def _refuse_unsafe_unit(target: Json, unit: str, containers: Mapping[str, Json]) -> None:
    refuse_this_process(inspection.key(target), target["Id"])
    refuse_unnamed_volumes(target, unit)
    refuse_own_pulls(target, unit)
    refuse_companions(target, unit, containers.values())


def _by_unit(
    podman: Podman, request: ReplacementRequest, target: Json, unit: str, maker: Maker
) -> ReplacementPlan:
    """The unit makes the new container, from the reference that it names."""
    key = request.key
    _refuse_other_reference(target, request, unit)
    units = Units(podman)
    units.refuse_unknown(unit, key)
    units.refuse_dependants(unit, key)
    document = Document(
        main=maker.restart(target),
        dependants=[],
        infra=None,
        unit=unit,
        tag_before=pulling.find_tagged(podman, request.tag),
        old=without_secrets(target),
    )
    steps = (
        Step("pull", Phase.PREPARE, f"pull {request.image}"),
        Step("stop_unit", Phase.STOP, f"stop {unit}, which removes {key}"),
        Step("retag", Phase.SWITCH, f"name the new image {request.tag}, as {unit} does"),
        Step("start", Phase.SWITCH, f"start {unit}, which makes the new {key}"),
    )
    return ReplacementPlan(key=key, steps=steps, document=document.write(), same_identity=False)


def _refuse_other_reference(target: Json, request: ReplacementRequest, unit: str) -> None:
    written = target.get("ImageName") or target["Config"]["Image"]
    try:
        same = Reference.parse(written) == request.tag
    except InvalidInputError:
        same = False
    if not same:
        raise RefusedError(
            f"{request.key} is made by the unit {unit} from {written}, and can be brought to a newer image of that "
            f"name only: write {request.tag.familiar} into the unit's file to have that version"
        )
