"""The steps of a replacement, by name: what each does, and how it is undone."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from uptainer.core.errors import InvalidInputError, RefusedError
from uptainer.runtimes.docker import exchange, pulling
from uptainer.runtimes.docker.planning import Document, read_document
from uptainer.runtimes.docker.swap import Swap
from uptainer.runtimes.engine.client import Engine
from uptainer.runtimes.engine.turns import put_back_each
from uptainer.runtimes.port import ReplacementRequest

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Replacement:
    """One replacement, on the engine, with what earlier steps left for later ones."""

    engine: Engine
    request: ReplacementRequest
    plan: Document
    results: Mapping[str, Json]

    @property
    def main(self) -> Swap:
        return self.plan.main

    @property
    def timeout(self) -> timedelta | None:
        return self.request.stop_timeout

    def new_id(self) -> str | None:
        return self._noted("create", "id")

    def image_id(self) -> str | None:
        return self._noted("pull", "image_id")

    def needed(self, step: str, item: str) -> str:
        noted = self._noted(step, item)
        if noted is None:
            raise InvalidInputError(
                f"step {step} of {self.request.key} has to be done first: its result is missing"
            )
        return noted

    def _noted(self, step: str, item: str) -> str | None:
        noted = self.results.get(step, {}).get(item)
        return None if noted is None else str(noted)


def perform(
    engine: Engine, step: str, request: ReplacementRequest, document: Json, results: Mapping[str, Json]
) -> Json:
    return _act(step).do(Replacement(engine, request, read_document(document), results))


def revert(
    engine: Engine, step: str, request: ReplacementRequest, document: Json, results: Mapping[str, Json]
) -> None:
    _act(step).undo(Replacement(engine, request, read_document(document), results))


def _pull(on: Replacement) -> Json:
    image_id = pulling.pull(on.engine, on.request.image, on.request.platform, on.request.registry_auth)
    pulling.tag(on.engine, image_id, on.request.tag)
    return {"image_id": image_id}


def _unpull(on: Replacement) -> None:
    """The image stays, for it costs nothing to keep; the tag goes back to what it stood for."""
    image = pulling.find_image(on.engine, on.image_id() or str(on.request.image))
    if image is not None:
        pulling.restore_tag(on.engine, on.request.tag, on.plan.tag_before, image["Id"])


def _create(on: Replacement) -> Json:
    image_id = on.needed("pull", "image_id")
    swap = on.main.on_image(on.plan.old["Image"], image_id)
    return {"id": exchange.create(on.engine, swap, image_id)}


def _uncreate(on: Replacement) -> None:
    exchange.remove_new(on.engine, on.main, on.new_id())


def _stop_dependants(on: Replacement) -> Json:
    for each in reversed(on.plan.dependants):
        exchange.refuse_stranger(on.engine, each)
        exchange.stop_old(on.engine, each, None)
    return {"stopped": [each.key for each in on.plan.dependants if each.was_running]}


def _start_dependants(on: Replacement) -> None:
    def start(each: Swap) -> None:
        exchange.refuse_stranger(on.engine, each)
        exchange.start_old(on.engine, each, None, stopped="stop_dependants" in on.results)

    put_back_each(on.plan.dependants, start)


def _stop(on: Replacement) -> Json:
    exchange.stop_old(on.engine, on.main, on.timeout)
    return {"was_running": on.main.was_running}


def _unstop(on: Replacement) -> None:
    exchange.start_old(on.engine, on.main, on.timeout, stopped="stop" in on.results)


def _disarm(on: Replacement) -> Json:
    exchange.disarm_old(on.engine, on.main)
    return {"restart_policy": on.main.restart_policy}


def _set_aside(on: Replacement) -> Json:
    exchange.set_aside(on.engine, on.main)
    return {"name": on.main.aside}


def _take_name(on: Replacement) -> Json:
    exchange.rename(on.engine, on.needed("create", "id"), on.main.key)
    return {"name": on.main.key}


def _start(on: Replacement) -> Json:
    exchange.start_new(on.engine, on.main, on.needed("create", "id"))
    return {"id": on.needed("create", "id")}


def _swap_dependants(on: Replacement) -> Json:
    made: dict[str, str] = {}
    for each in on.plan.dependants:
        if each.restart_only:
            exchange.refuse_stranger(on.engine, each)
            exchange.start_old(on.engine, each, None, stopped=True)
        else:
            image_id = on.plan.image_ids[each.key]
            made[each.key] = exchange.swap_now(on.engine, each, image_id, on.plan.replaced)
    return {"ids": made}


def _swap_dependants_back(on: Replacement) -> None:
    """They stay stopped: they start again when what they depend on has."""
    made: Mapping[str, str] = on.results.get("dependants", {}).get("ids", {})

    def swap_back(each: Swap) -> None:
        if each.restart_only:
            exchange.refuse_stranger(on.engine, each)
            exchange.stop_old(on.engine, each, None)
        else:
            image_id = on.plan.image_ids[each.key]
            exchange.swap_back(on.engine, each, image_id, on.plan.replaced, made.get(each.key))

    put_back_each(reversed(on.plan.dependants), swap_back)


def _remove_old(on: Replacement) -> Json:
    for each in (*reversed(on.plan.dependants), on.main):
        if not each.restart_only:
            exchange.remove_old(on.engine, each)
    return {}


def _unremove_old(on: Replacement) -> None:
    if exchange.find(on.engine, on.main.old_id) is None:
        raise RefusedError(f"the old {on.main.key} was removed for good: replace it by its old image instead")


@dataclass(frozen=True, slots=True)
class _Act:
    do: Callable[[Replacement], Json]
    undo: Callable[[Replacement], None]


_ACTS: Mapping[str, _Act] = {
    "pull": _Act(_pull, _unpull),
    "create": _Act(_create, _uncreate),
    "stop_dependants": _Act(_stop_dependants, _start_dependants),
    "stop": _Act(_stop, _unstop),
    "disarm": _Act(_disarm, lambda on: exchange.arm_old(on.engine, on.main)),
    "set_aside": _Act(_set_aside, lambda on: exchange.put_back(on.engine, on.main)),
    "take_name": _Act(_take_name, lambda on: exchange.step_back(on.engine, on.main, on.new_id())),
    "start": _Act(_start, lambda on: exchange.stop_new(on.engine, on.main, on.timeout, on.new_id())),
    "dependants": _Act(_swap_dependants, _swap_dependants_back),
    "remove_old": _Act(_remove_old, _unremove_old),
}


def _act(step: str) -> _Act:
    try:
        return _ACTS[step]
    except KeyError:
        raise InvalidInputError(f"Docker has no step {step!r} in a replacement") from None
