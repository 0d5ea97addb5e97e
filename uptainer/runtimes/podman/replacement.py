"""The steps of a replacement, by name: what each does, and how it is undone."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from uptainer.core.errors import InvalidInputError, PermanentError, RefusedError
from uptainer.runtimes.engine.turns import put_back_each
from uptainer.runtimes.podman import exchange, facts, pulling
from uptainer.runtimes.podman.client import Podman
from uptainer.runtimes.podman.planning import Document, read_document
from uptainer.runtimes.podman.swap import Swap
from uptainer.runtimes.podman.units import Units
from uptainer.runtimes.port import ReplacementRequest

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Replacement:
    """One replacement, with what earlier steps left for later ones."""

    podman: Podman
    request: ReplacementRequest
    plan: Document
    results: Mapping[str, Json]

    @property
    def main(self) -> Swap:
        return self.plan.main

    @property
    def timeout(self) -> timedelta | None:
        return self.request.stop_timeout

    @property
    def unit(self) -> str:
        if self.plan.unit is None:
            raise InvalidInputError(f"{self.request.key} belongs to no unit")
        return self.plan.unit

    def noted(self, step: str, item: str) -> str | None:
        found = self.results.get(step, {}).get(item)
        return None if found is None else str(found)

    def needed(self, step: str, item: str) -> str:
        found = self.noted(step, item)
        if found is None:
            raise InvalidInputError(
                f"step {step} of {self.request.key} has to be done first: its result is missing"
            )
        return found

    def new_id(self) -> str | None:
        return self.noted("create", "id")


def perform(
    podman: Podman, step: str, request: ReplacementRequest, document: Json, results: Mapping[str, Json]
) -> Json:
    return _act(step).do(Replacement(podman, request, read_document(document), results))


def revert(
    podman: Podman, step: str, request: ReplacementRequest, document: Json, results: Mapping[str, Json]
) -> None:
    _act(step).undo(Replacement(podman, request, read_document(document), results))


def _pull(on: Replacement) -> Json:
    image_id = pulling.pull(on.podman, on.request.image, on.request.platform, on.request.registry_auth)
    if on.plan.unit is None:
        pulling.tag(on.podman, image_id, on.request.tag)
    return {"image_id": image_id}


def _untag(on: Replacement) -> None:
    """The image stays, for it costs nothing to keep; the tag goes back to what it stood for."""
    name = on.noted("pull", "image_id") or str(on.request.image)
    image = pulling.find_image(on.podman, name)
    if image is not None:
        ours = facts.full_id(image["Id"])
        pulling.restore_tag(on.podman, on.request.tag, on.plan.tag_before, ours)


def _create(on: Replacement) -> Json:
    return {"id": exchange.create(on.podman, on.main, on.needed("pull", "image_id"))}


def _stop_dependants(on: Replacement) -> Json:
    for each in reversed(on.plan.dependants):
        exchange.refuse_stranger(on.podman, each)
        exchange.stop(on.podman, each.old_id)
    return {"stopped": [each.key for each in on.plan.dependants if each.was_running]}


def _start_dependants(on: Replacement) -> None:
    def start(each: Swap) -> None:
        exchange.refuse_stranger(on.podman, each)
        exchange.start_old(on.podman, each, None, stopped="stop_dependants" in on.results)

    put_back_each(on.plan.dependants, start)


def _stop(on: Replacement) -> Json:
    exchange.stop(on.podman, on.main.old_id, on.timeout)
    return {"was_running": on.main.was_running}


def _unstop(on: Replacement) -> None:
    if on.main.was_running:
        _prepare_pod(on, init=True)
    exchange.start_old(on.podman, on.main, on.timeout, stopped="stop" in on.results)


def _start(on: Replacement) -> Json:
    new_id = on.needed("create", "id")
    new = exchange.find(on.podman, new_id)
    if new is None or not exchange.runs(new):
        _prepare_pod(on, init=on.main.was_running)
    exchange.start_new(on.podman, on.main, new_id)
    return {"id": new_id}


def _prepare_pod(on: Replacement, *, init: bool) -> None:
    """What a pod does first when it starts: its infra container, then its init containers, one after the other."""
    running = on.main.was_running or any(each.was_running for each in on.plan.dependants)
    if on.plan.infra and running:
        exchange.start(on.podman, on.plan.infra, on.request.key)
    for each in on.plan.dependants:
        if init and each.init and exchange.find(on.podman, each.old_id):
            exchange.run_to_end(on.podman, each.old_id, each.key)


def _swap_dependants(on: Replacement) -> Json:
    made: dict[str, str] = {}
    for each in on.plan.dependants:
        if each.restart_only:
            exchange.refuse_stranger(on.podman, each)
            exchange.start_old(on.podman, each, None, stopped=True)
        else:
            made[each.key] = exchange.swap_now(on.podman, each, on.plan.replaced)
    return {"ids": made}


def _swap_dependants_back(on: Replacement) -> None:
    """They stay stopped: they start again when what they depend on has."""
    made: Mapping[str, str] = on.results.get("dependants", {}).get("ids", {})

    def swap_back(each: Swap) -> None:
        if each.restart_only:
            exchange.refuse_stranger(on.podman, each)
            exchange.stop(on.podman, each.old_id)
        else:
            exchange.swap_back(on.podman, each, on.plan.replaced, made.get(each.key))

    put_back_each(reversed(on.plan.dependants), swap_back)


def _remove_old(on: Replacement) -> Json:
    for each in (*reversed(on.plan.dependants), on.main):
        if not each.restart_only:
            exchange.remove_old(on.podman, each)
    return {}


def _unremove_old(on: Replacement) -> None:
    if exchange.find(on.podman, on.main.old_id) is None:
        raise RefusedError(f"the old {on.main.key} was removed for good: replace it by its old image instead")


def _stop_unit(on: Replacement) -> Json:
    Units(on.podman).stop(on.unit)
    return {"unit": on.unit}


def _start_unit_again(on: Replacement) -> None:
    """On the image that it ran: its tag may have stood for another one before already, or still."""
    units, old = Units(on.podman), exchange.find(on.podman, on.main.old_id)
    was_never_stopped = old is not None and exchange.runs(old) and not units.is_changing(on.unit)
    if on.main.was_running and not was_never_stopped:
        pulling.tag(on.podman, on.main.image_id, on.request.tag)
        units.start(on.unit)
        _refuse_other_image(on, on.main.image_id)


def _retag(on: Replacement) -> Json:
    pulling.tag(on.podman, on.needed("pull", "image_id"), on.request.tag)
    return {"tag": str(on.request.tag)}


def _start_unit(on: Replacement) -> Json:
    """Raises PermanentError where the unit made its container from another image than the approved one."""
    if on.main.was_running:
        Units(on.podman).start(on.unit)
        _refuse_other_image(on, on.needed("pull", "image_id"))
    return {"unit": on.unit}


def _refuse_other_image(on: Replacement, image_id: str) -> None:
    made = exchange.find(on.podman, on.request.key)
    if made is None or facts.full_id(made["Image"]) != image_id:
        found = facts.full_id(made["Image"]) if made else "no container"
        raise PermanentError(f"{on.unit} started {found} as {on.request.key}, and not {image_id}")


def _unstart(on: Replacement) -> None:
    if on.plan.unit is not None:
        Units(on.podman).stop(on.unit)
    else:
        exchange.stop_new(on.podman, on.main, on.timeout, on.new_id())


@dataclass(frozen=True, slots=True)
class _Act:
    do: Callable[[Replacement], Json]
    undo: Callable[[Replacement], None]


def _renamed(
    act: Callable[[Replacement], None], name: Callable[[Swap], str]
) -> Callable[[Replacement], Json]:
    def do(on: Replacement) -> Json:
        act(on)
        return {"name": name(on.main)}

    return do


_ACTS: Mapping[str, _Act] = {
    "pull": _Act(_pull, _untag),
    "create": _Act(_create, lambda on: exchange.remove_new(on.podman, on.main, on.new_id())),
    "stop_dependants": _Act(_stop_dependants, _start_dependants),
    "stop": _Act(_stop, _unstop),
    "set_aside": _Act(
        _renamed(lambda on: exchange.set_aside(on.podman, on.main), lambda swap: swap.aside),
        lambda on: exchange.put_back(on.podman, on.main),
    ),
    "take_name": _Act(
        _renamed(
            lambda on: exchange.rename(on.podman, on.needed("create", "id"), on.main.key),
            lambda swap: swap.key,
        ),
        lambda on: exchange.step_back(on.podman, on.main, on.new_id()),
    ),
    "start": _Act(lambda on: _start_unit(on) if on.plan.unit else _start(on), _unstart),
    "dependants": _Act(_swap_dependants, _swap_dependants_back),
    "remove_old": _Act(_remove_old, _unremove_old),
    "stop_unit": _Act(_stop_unit, _start_unit_again),
    "retag": _Act(_retag, _untag),
}


def _act(step: str) -> _Act:
    try:
        return _ACTS[step]
    except KeyError:
        raise InvalidInputError(f"Podman has no step {step!r} in a replacement") from None
