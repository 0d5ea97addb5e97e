"""The acts of a swap, each with its undo. All ask Podman what is done already, so that any can be done again.

The old container is known by its id. The new one is known by its temporary name until it takes the old one's.
A restart policy can't be taken away from a container of Podman 4: what is to be stopped is stopped again wherever it
could have been started by somebody else meanwhile.
"""

import math
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any

from uptainer.core.enums import ContainerStatus
from uptainer.core.errors import (
    NotFoundError,
    PermanentError,
    SupersededError,
    TemporaryError,
    UnreachableError,
)
from uptainer.runtimes.engine import inspection, operations
from uptainer.runtimes.podman import facts
from uptainer.runtimes.podman.client import Podman
from uptainer.runtimes.podman.swap import RUNS, Swap

Json = Mapping[str, Any]

_MARGIN = 3.0
_INIT_TIMEOUT = 600.0
"""Seconds that an init container may take; Podman itself would wait for ever."""


def find(podman: Podman, container: str) -> Json | None:
    try:
        return operations.inspect(podman, container)
    except NotFoundError:
        return None


def runs(container: Json) -> bool:
    return facts.status(container["State"]) in RUNS


def find_new(podman: Podman, swap: Swap, new_id: str | None = None) -> Json | None:
    """By its id where that was noted, else beside the old one, else in its place when the old one stands aside."""
    if new_id is not None:
        return find(podman, new_id)
    if beside := find(podman, swap.beside):
        return beside
    old = find(podman, swap.old_id)
    stands_aside = old is not None and inspection.key(old) == swap.aside
    return find(podman, swap.key) if stands_aside else None


def create(podman: Podman, swap: Swap, image_id: str) -> str:
    """Make the new container, never started, on exactly the image `image_id`; returns its id.

    Raises:
        SupersededError: the container is not the one that the plan was made for.
        TemporaryError: the reference stood for another image at that moment.
    """
    found = find(podman, swap.beside)
    if found is not None and facts.full_id(found["Image"]) == image_id:
        return str(found["Id"])
    if found is not None:
        remove_new(podman, swap)
    refuse_stranger(podman, swap)
    made = _post(podman, swap)
    created = find(podman, made)
    if created is None or facts.full_id(created["Image"]) != image_id:
        remove_new(podman, swap)
        raise TemporaryError(
            f"{swap.key}: {swap.body['image']} was moved to another image while it was being used"
        )
    return made


def refuse_stranger(podman: Podman, swap: Swap) -> None:
    """Raises SupersededError where the old one does not stand in its place."""
    current = find(podman, swap.key)
    if current is None or current["Id"] != swap.old_id:
        raise _superseded(swap)


def _superseded(swap: Swap) -> SupersededError:
    return SupersededError(
        f"{swap.key} is not the container any more that this update was planned for: somebody else removed or "
        "replaced it, and it is left as it is"
    )


def _post(podman: Podman, swap: Swap) -> str:
    """Podman answers 500 to whatever it can't do, which trying again would not change."""
    try:
        return str(podman.post("/containers/create", body=swap.body, about=swap.key, wait=60)["Id"])
    except UnreachableError:
        raise
    except TemporaryError as error:
        raise PermanentError(f"the new {swap.key} can't be created: {error}") from error


def remove_new(podman: Podman, swap: Swap, new_id: str | None = None) -> None:
    """With the volumes that were made for it, and none that the old one has too."""
    new = find_new(podman, swap, new_id)
    if new is None:
        return
    own = [each.name for each in inspection.mounts(new) if each.anonymous and each.name not in swap.volumes]
    _remove(podman, str(new["Id"]), swap.key)
    for volume in own:
        with suppress(NotFoundError, PermanentError):
            podman.delete(f"/volumes/{volume}", about=volume)


def stop(podman: Podman, container: str, timeout: timedelta | None = None) -> None:
    """Whatever state it is in; one that is gone is stopped too."""
    found = find(podman, container)
    if found is not None and facts.status(found["State"]) not in _STOPPED:
        operations.stop(podman, container, timeout)


_BUSY_PAUSES = (0.5, 1.0, 2.0)
"""Seconds."""

_STOPPED = frozenset({ContainerStatus.CREATED, ContainerStatus.EXITED, ContainerStatus.DEAD})


def start_old(podman: Podman, swap: Swap, timeout: timedelta | None, *, stopped: bool) -> None:
    """`stopped` says that stopping it had ended; else Podman may still be at it, and would end what runs now."""
    if not swap.was_running:
        return
    if not stopped:
        _await_end_of_stop(podman, swap, timeout)
    start(podman, swap.old_id, swap.key)


def _await_end_of_stop(podman: Podman, swap: Swap, timeout: timedelta | None) -> None:
    old = find(podman, swap.old_id)
    if old is None or not runs(old):
        return
    seconds = timeout.total_seconds() if timeout else operations.stop_timeout(podman, swap.old_id)
    path = f"/containers/{swap.old_id}/wait"
    query = {"condition": "exited"}
    with (
        suppress(UnreachableError),
        podman.open("POST", path, query=query, timeout=math.ceil(seconds) + _MARGIN) as answer,
    ):
        answer.read()


def rename(podman: Podman, container: str, name: str) -> None:
    found = find(podman, container)
    if found is None:
        raise NotFoundError(f"container {container[:12]} is gone, and can't be named {name}")
    if inspection.key(found) != name:
        podman.post(f"/containers/{container}/rename", about=name, query={"name": name})


def set_aside(podman: Podman, swap: Swap) -> None:
    rename(podman, swap.old_id, swap.aside)


def put_back(podman: Podman, swap: Swap) -> None:
    rename(podman, swap.old_id, swap.key)


def step_back(podman: Podman, swap: Swap, new_id: str | None = None) -> None:
    """The new one gives its name away."""
    if new := find_new(podman, swap, new_id):
        rename(podman, new["Id"], swap.beside)


def start_new(podman: Podman, swap: Swap, new_id: str) -> None:
    """Where the old one ran. That may have been started again, by its restart policy or by hand."""
    stop(podman, swap.old_id)
    if swap.was_running:
        start(podman, new_id, swap.key)


def stop_new(podman: Podman, swap: Swap, timeout: timedelta | None, new_id: str | None = None) -> None:
    """One that has run is removed too: Podman starts what ended by itself anew, also behind a stop that came between,
    and has no way to take its restart policy away.
    """
    new = find_new(podman, swap, new_id)
    if new is not None and facts.status(new["State"]) is not ContainerStatus.CREATED:
        stop(podman, new["Id"], timeout)
        remove_new(podman, swap, new["Id"])


def start(podman: Podman, container: str, about: str) -> None:
    """A container that can't start will not start at the third attempt either: to try costs downtime only."""
    try:
        operations.start(podman, container)
    except UnreachableError:
        raise
    except TemporaryError as fault:
        raise PermanentError(f"{about} does not start: {fault}") from fault


def run_to_end(podman: Podman, container: str, about: str) -> None:
    """Raises PermanentError where it ends with another status than 0."""
    start(podman, container, about)
    path, query = f"/containers/{container}/wait", {"condition": "exited"}
    with podman.open("POST", path, about=about, query=query, timeout=_INIT_TIMEOUT) as answer:
        answer.read()
    ended = find(podman, container)
    if ended is not None and ended["State"]["ExitCode"] != 0:
        raise PermanentError(f"the init container {about} ended with status {ended['State']['ExitCode']}")


def remove_old(podman: Podman, swap: Swap) -> None:
    """Its volumes stay: the new one has them."""
    _remove(podman, swap.old_id, swap.aside)


def _remove(podman: Podman, container: str, about: str) -> None:
    """Podman leaves one half removed whose mounts are still busy for a moment, and removes it when it is asked again."""
    for pause in _BUSY_PAUSES:
        try:
            return _remove_once(podman, container, about)
        except TemporaryError:
            time.sleep(pause)
    return _remove_once(podman, container, about)


def _remove_once(podman: Podman, container: str, about: str) -> None:
    with suppress(NotFoundError):
        podman.delete(f"/containers/{container}", about=about, query={"force": "true", "v": "false"})


def swap_now(podman: Podman, swap: Swap, replaced: Collection[str]) -> str:
    """All acts in a row, for a container that depends on the one that was replaced and is stopped already.

    Raises SupersededError; see `_refuse_others`.
    """
    _refuse_others(podman, swap, replaced)
    new = find_new(podman, swap)
    if new is None or inspection.key(new) == swap.beside:
        new_id = create(podman, swap, swap.image_id)
        set_aside(podman, swap)
        rename(podman, new_id, swap.key)
    else:
        new_id = str(new["Id"])
    start_new(podman, swap, new_id)
    return new_id


def swap_back(podman: Podman, swap: Swap, replaced: Collection[str], new_id: str | None = None) -> None:
    """The undo of `swap_now`, up to the start of the old one.

    Raises SupersededError; see `_refuse_others`.
    """
    _refuse_others(podman, swap, replaced, new_id)
    stop_new(podman, swap, None, new_id)
    step_back(podman, swap, new_id)
    put_back(podman, swap)
    remove_new(podman, swap, new_id)


def _refuse_others(podman: Podman, swap: Swap, replaced: Collection[str], new_id: str | None = None) -> None:
    """What stands aside under its name may do so for another update of it: then what took its place is not ours.

    Ours has the image that the old one had, and depends on no container that was `replaced` with it (ids).

    Raises:
        SupersededError: the old one is gone, or somebody else's stands in its place. Nothing was touched.
    """
    current = find(podman, swap.key)
    if find(podman, swap.old_id) is None:
        raise _superseded(swap)
    if current is None or current["Id"] in (swap.old_id, new_id):
        return
    is_of_old = not set(replaced).isdisjoint(current.get("Dependencies") or ())
    if new_id is not None or facts.full_id(current["Image"]) != swap.image_id or is_of_old:
        raise _superseded(swap)
