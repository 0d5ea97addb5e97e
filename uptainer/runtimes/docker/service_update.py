"""The steps of a service's update, by name: what each does, and how it is undone.

The swarm does the replacing, and keeps the spec before the last change for a rollback of its own. Every change is made
to the version that was looked at, so that nobody's change in between is lost, and looked at again where there was one.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from uptainer.core.errors import (
    BusyError,
    InvalidInputError,
    NotFoundError,
    RefusedError,
    SupersededError,
    TemporaryError,
    UnreachableError,
    UnsupportedError,
)
from uptainer.core.platform import Platform
from uptainer.core.reference import Reference
from uptainer.runtimes.docker import service_facts, service_rollout, service_scale, services
from uptainer.runtimes.docker.service_planning import (
    CHECK_IMAGE,
    ROLLOUT,
    SCALE_DOWN,
    SERVICE_UPDATE,
    Document,
    with_image,
)
from uptainer.runtimes.docker.services import image_of
from uptainer.runtimes.engine.client import Engine
from uptainer.runtimes.engine.registries import auth_header, pull_fault
from uptainer.runtimes.port import ReplacementRequest

Json = Mapping[str, Any]

_ATTEMPTS = 20
"""The swarm's own notes on an update count as changes, too."""

_REGISTRY = 60.0
"""Seconds that a registry may take to answer the engine."""


@dataclass(frozen=True, slots=True)
class ServiceUpdate:
    engine: Engine
    request: ReplacementRequest
    plan: Document

    @property
    def auth(self) -> str | None:
        known = self.request.registry_auth
        return auth_header(self.request.image.registry, known) if known else None

    def find(self) -> Json:
        """Raises RefusedError where the service is not the one that was planned for."""
        try:
            service = services.find(self.engine, self.plan.key)
        except NotFoundError as error:
            raise RefusedError(f"{self.plan.key} was removed by somebody else") from error
        if service["ID"] != self.plan.service_id:
            raise RefusedError(f"{self.plan.key} was removed and created again by somebody else")
        return service

    def change(self, decide: Callable[[Json], "Change | None"]) -> None:
        """Do what `decide` makes of the service as it is, None being nothing; it is asked anew after a conflict."""
        for _ in range(_ATTEMPTS):
            service = self.find()
            wanted = decide(service)
            if wanted is None or services.change(
                self.engine, service, wanted.spec, query=wanted.query, auth=wanted.auth
            ):
                return
        raise BusyError(f"{self.plan.key} is changed all the time by somebody else")


@dataclass(frozen=True, slots=True)
class Change:
    spec: Json
    query: Mapping[str, str] | None = None
    auth: str | None = None


def perform(engine: Engine, step: str, request: ReplacementRequest, document: Json) -> Json:
    return _act(step).do(ServiceUpdate(engine, request, Document.read(document)))


def revert(engine: Engine, step: str, request: ReplacementRequest, document: Json) -> None:
    _act(step).undo(ServiceUpdate(engine, request, Document.read(document)))


def _check_image(on: ServiceUpdate) -> Json:
    """The registry's answer for the digest, and whether the image is there for every platform that the service names."""
    _refuse_changed(on, on.find(), on.plan.before)
    name = services.pinned(on.plan.image)
    assert name is not None, "it was planned by digest"
    answer = _ask_registry(on, name)
    noted = (on.plan.before["TaskTemplate"].get("Placement") or {}).get("Platforms") or ()
    has = {_platform(each) for each in answer.get("Platforms") or ()}
    if has and (missing := {_platform(each) for each in noted} - has):
        names = ", ".join(sorted(map(str, missing)))
        raise UnsupportedError(f"{name} is not there for {names}, on which tasks of {on.plan.key} may run")
    return {"digest": answer["Descriptor"]["digest"]}


def _ask_registry(on: ServiceUpdate, image: Reference) -> Json:
    """As this manager sees it; some of a registry's refusals it passes on as faults of its own.

    Raises: NotFoundError, AccessDeniedError, RateLimitedError, UnreachableError, TemporaryError.
    """
    path, headers = f"/distribution/{image.familiar}/json", {"X-Registry-Auth": on.auth} if on.auth else {}
    try:
        with on.engine.open("GET", path, about=str(image), headers=headers, timeout=_REGISTRY) as answer:
            found: Json = json.loads(answer.read())
    except UnreachableError:
        raise
    except TemporaryError as fault:
        raise pull_fault(str(image), str(fault)) from fault
    return found


def _platform(noted: Json) -> Platform:
    """Without the variant, which Docker's client does not note."""
    return Platform.of(
        noted.get("os") or noted.get("OS") or "", noted.get("architecture") or noted.get("Architecture") or ""
    )


def _refuse_changed(on: ServiceUpdate, service: Json, expected: Json) -> None:
    if service["Spec"] != expected:
        raise RefusedError(
            f"{on.plan.key} was changed by somebody else since this update was planned. Check again to get a new plan."
        )


def _scale_down(on: ServiceUpdate) -> Json:
    def decide(service: Json) -> Change | None:
        if service["Spec"] == on.plan.stopped:
            return None
        _refuse_changed(on, service, on.plan.before)
        return Change(on.plan.stopped)

    on.change(decide)
    service_rollout.await_stopped(on.engine, on.plan.key)
    return {"replicas": service_facts.replicas(on.plan.before)}


def _scale_up_again(on: ServiceUpdate) -> None:
    """A number that somebody else chose meanwhile stays."""
    number = service_facts.replicas(on.plan.before)
    assert number is not None, "only a replicated service is scaled"

    def decide(service: Json) -> Change | None:
        if service_facts.replicas(service["Spec"]) != 0:
            return None
        return Change(service_scale.started(service["Spec"], number))

    on.change(decide)
    service_rollout.await_settled(on.engine, on.plan.key, image_of(on.find()["Spec"]), on.plan.running)


def _update(on: ServiceUpdate) -> Json:
    def decide(service: Json) -> Change | None:
        if image_of(service["Spec"]) == on.plan.image:
            return None
        _refuse_changed(on, service, on.plan.stopped)
        return Change(on.plan.after, auth=on.auth)

    on.change(decide)
    return {"image": on.plan.image}


def _put_back(on: ServiceUpdate) -> None:
    """Where the swarm rolled it back by itself there is nothing to do but to wait for the end of it."""
    on.change(lambda service: _way_back(on, service))
    at_least = 0 if on.plan.stops else on.plan.running
    service_rollout.await_settled(on.engine, on.plan.key, image_of(on.find()["Spec"]), at_least)
    if on.plan.stops:
        service_rollout.await_stopped(on.engine, on.plan.key)


def _way_back(on: ServiceUpdate, service: Json) -> Change | None:
    """The swarm's own rollback where it leads exactly there; else the old image only, and what others changed stays."""
    plan, spec = on.plan, service["Spec"]
    image = image_of(spec)
    is_stopped = not plan.stops or service_facts.replicas(spec) == 0
    was_rolled_back = str((service.get("UpdateStatus") or {}).get("State")).startswith("rollback")
    if is_stopped and (image == plan.way_back or (spec == plan.stopped and not was_rolled_back)):
        return None
    if image not in (plan.image, plan.way_back, image_of(plan.before)):
        raise SupersededError(
            f"{plan.key} was changed by somebody else meanwhile: it is {image}, and is left so"
        )
    exact = image_of(plan.before) == plan.way_back and service.get("PreviousSpec") == plan.stopped
    if image == plan.image and exact:
        return Change(spec, query={"rollback": "previous"})
    undone = with_image(spec, plan.way_back)
    return Change(service_scale.stopped_like(undone, plan.stopped) if plan.stops else undone)


def _watch(on: ServiceUpdate) -> Json:
    service_rollout.await_rollout(on.engine, on.plan.key, on.plan.image)
    return {"tasks": len(service_facts.running(service_rollout.look(on.engine, on.plan.key).tasks))}


@dataclass(frozen=True, slots=True)
class _Act:
    do: Callable[[ServiceUpdate], Json]
    undo: Callable[[ServiceUpdate], None]


def _nothing(_: ServiceUpdate) -> None:
    """It changed nothing."""


_ACTS: Mapping[str, _Act] = {
    CHECK_IMAGE: _Act(_check_image, _nothing),
    SCALE_DOWN: _Act(_scale_down, _scale_up_again),
    SERVICE_UPDATE: _Act(_update, _put_back),
    ROLLOUT: _Act(_watch, _nothing),
}


def _act(step: str) -> _Act:
    try:
        return _ACTS[step]
    except KeyError:
        raise InvalidInputError(f"Swarm has no step {step!r} in a replacement") from None
