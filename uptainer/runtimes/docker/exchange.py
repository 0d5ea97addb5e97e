"""The acts of a swap, each with its undo. All ask the engine what is done already, so that any can be done again.

The old container is known by its id. The new one is known by its temporary name until it takes the old one's.
"""

import math
from collections.abc import Collection, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any

from uptainer.core.errors import (
    NotFoundError,
    PermanentError,
    RefusedError,
    SupersededError,
    TemporaryError,
    UnreachableError,
)
from uptainer.runtimes.docker import configuration
from uptainer.runtimes.docker.swap import RUNS, Swap
from uptainer.runtimes.engine import inspection, operations
from uptainer.runtimes.engine.client import Engine

Json = Mapping[str, Any]

_MARGIN = 3.0


def find(engine: Engine, container: str) -> Json | None:
    try:
        found: Json = engine.get(f"/containers/{container}/json", about=container)
    except NotFoundError:
        return None
    return found


def find_new(engine: Engine, swap: Swap, new_id: str | None = None) -> Json | None:
    """By its id where that was noted, else beside the old one, else in its place when the old one stands aside.

    A container of that name is not ours just for its name: somebody may have replaced the old one meanwhile.
    """
    if new_id is not None:
        return find(engine, new_id)
    if beside := find(engine, swap.beside):
        return beside
    old = find(engine, swap.old_id)
    if old is None or inspection.key(old) != swap.aside:
        return None
    return find(engine, swap.key)


def create(engine: Engine, swap: Swap, image_id: str) -> str:
    """Make the new container, never started, on exactly the image `image_id`; returns its id.

    Raises:
        SupersededError: the container is not the one that the plan was made for.
        TemporaryError: the reference stood for another image at that moment.
    """
    found = find(engine, swap.beside)
    if found and found["Image"] != image_id:
        remove_new(engine, swap)
        found = None
    if found is None:
        refuse_stranger(engine, swap)
        found = _create(engine, swap, image_id)
    connect(engine, swap, found)
    return str(found["Id"])


def refuse_stranger(engine: Engine, swap: Swap) -> None:
    """Raises SupersededError where the old one does not stand in its place."""
    current = find(engine, swap.key)
    if current is None or current["Id"] != swap.old_id:
        raise _superseded(swap)


def _superseded(swap: Swap) -> SupersededError:
    return SupersededError(
        f"{swap.key} is not the container any more that this update was planned for: somebody else removed or "
        "replaced it, and it is left as it is"
    )


def _create(engine: Engine, swap: Swap, image_id: str) -> Json:
    made = engine.post(
        "/containers/create", body=swap.body, about=swap.key, wait=60, query={"name": swap.beside}
    )
    created = find(engine, made["Id"])
    if created is None or created["Image"] != image_id:
        remove_new(engine, swap)
        raise TemporaryError(
            f"{swap.key}: {swap.body['Image']} was moved to another image while it was being used"
        )
    return created


def connect(engine: Engine, swap: Swap, new: Json) -> None:
    """All networks before the start: a started container never lacks one of them."""
    connected = new["NetworkSettings"].get("Networks") or {}
    for network, endpoint in swap.endpoints.items():
        if network not in connected:
            asked = {"Container": new["Id"], "EndpointConfig": endpoint}
            engine.post(f"/networks/{network}/connect", body=asked, about=f"{swap.key} on {network}")
    if swap.detached in connected:
        asked = {"Container": new["Id"], "Force": True}
        engine.post(
            f"/networks/{swap.detached}/disconnect", body=asked, about=f"{swap.key} on {swap.detached}"
        )


def remove_new(engine: Engine, swap: Swap, new_id: str | None = None) -> None:
    """With the volumes that were made for it, and none that the old one has too."""
    new = find_new(engine, swap, new_id)
    if new is None:
        return
    own = [each.name for each in inspection.mounts(new) if each.anonymous and each.name not in swap.volumes]
    with suppress(NotFoundError):
        engine.delete(f"/containers/{new['Id']}", about=swap.key, query={"force": "1", "v": "0"})
    for volume in own:
        with suppress(NotFoundError, PermanentError):
            engine.delete(f"/volumes/{volume}", about=volume)


def stop_old(engine: Engine, swap: Swap, timeout: timedelta | None) -> None:
    if swap.was_running:
        operations.stop(engine, swap.old_id, timeout)


def start_old(engine: Engine, swap: Swap, timeout: timedelta | None, *, stopped: bool) -> None:
    """`stopped` says that stopping it had ended; else an engine may still be at it, and would end what runs now."""
    if not swap.was_running:
        return
    if not stopped:
        _await_end_of_stop(engine, swap, timeout)
    _start(engine, swap.old_id, swap.key)


def _await_end_of_stop(engine: Engine, swap: Swap, timeout: timedelta | None) -> None:
    old = find(engine, swap.old_id)
    if old is None or old["State"]["Status"] not in RUNS:
        return
    seconds = timeout.total_seconds() if timeout else operations.stop_timeout(engine, swap.old_id)
    query = {"condition": "not-running"}
    path = f"/containers/{swap.old_id}/wait"
    with (
        suppress(UnreachableError),
        engine.open("POST", path, query=query, timeout=math.ceil(seconds) + _MARGIN) as answer,
    ):
        answer.read()


def set_restart_policy(engine: Engine, container: str, policy: Json, about: str) -> None:
    """An engine that starts anew starts what has a policy: at no moment both containers may have one."""
    found = find(engine, container)
    if found is None:
        raise NotFoundError(f"{about}: its container {container[:12]} is gone")
    if found["HostConfig"]["RestartPolicy"] != policy and not found["HostConfig"]["AutoRemove"]:
        engine.post(f"/containers/{container}/update", body={"RestartPolicy": policy}, about=about)


def rename(engine: Engine, container: str, name: str) -> None:
    found = find(engine, container)
    if found is None:
        raise NotFoundError(f"container {container[:12]} is gone, and can't be named {name}")
    if inspection.key(found) != name:
        engine.post(f"/containers/{container}/rename", about=name, query={"name": name})


def set_aside(engine: Engine, swap: Swap) -> None:
    rename(engine, swap.old_id, swap.aside)


def put_back(engine: Engine, swap: Swap) -> None:
    rename(engine, swap.old_id, swap.key)


def disarm_old(engine: Engine, swap: Swap) -> None:
    set_restart_policy(engine, swap.old_id, configuration.NEVER_RESTART, swap.key)


def arm_old(engine: Engine, swap: Swap) -> None:
    set_restart_policy(engine, swap.old_id, swap.restart_policy, swap.key)


def step_back(engine: Engine, swap: Swap, new_id: str | None = None) -> None:
    """The new one gives its name away."""
    if new := find_new(engine, swap, new_id):
        rename(engine, new["Id"], swap.beside)


def start_new(engine: Engine, swap: Swap, new_id: str) -> None:
    """Give it the restart policy of the old one, and start it where the old one ran."""
    old = find(engine, swap.old_id)
    if swap.was_running and old and old["State"]["Status"] in RUNS:
        raise RefusedError(
            f"{swap.key}: the old container runs again, so the new one is not started beside it"
        )
    set_restart_policy(engine, new_id, swap.restart_policy, swap.key)
    if swap.was_running:
        _start(engine, new_id, swap.key)


def stop_new(engine: Engine, swap: Swap, timeout: timedelta | None, new_id: str | None = None) -> None:
    new = find_new(engine, swap, new_id)
    if new is None:
        return
    if new["State"]["Status"] not in ("created", "exited", "dead"):
        operations.stop(engine, new["Id"], timeout)
    # After the stop: the engine refuses to update one that crashes at that very moment.
    set_restart_policy(engine, new["Id"], configuration.NEVER_RESTART, swap.key)


def _start(engine: Engine, container: str, about: str) -> None:
    """A container that can't start will not start at the third attempt either: to try costs downtime only."""
    try:
        operations.start(engine, container)
    except UnreachableError:
        raise
    except TemporaryError as fault:
        raise PermanentError(f"{about} does not start: {fault}") from fault


def remove_old(engine: Engine, swap: Swap) -> None:
    """Its volumes stay: the new one has them."""
    with suppress(NotFoundError):
        engine.delete(f"/containers/{swap.old_id}", about=swap.aside, query={"force": "0", "v": "0"})


def swap_now(engine: Engine, swap: Swap, image_id: str, replaced: Collection[str]) -> str:
    """All acts in a row, for a container that depends on the one that was replaced and is stopped already.

    Raises SupersededError; see `_refuse_others`.
    """
    _refuse_others(engine, swap, image_id, replaced)
    new = find_new(engine, swap)
    if new is None or inspection.key(new) == swap.beside:
        new_id = create(engine, swap, image_id)
        disarm_old(engine, swap)
        set_aside(engine, swap)
        rename(engine, new_id, swap.key)
    else:
        new_id = str(new["Id"])
    start_new(engine, swap, new_id)
    return new_id


def swap_back(
    engine: Engine, swap: Swap, image_id: str, replaced: Collection[str], new_id: str | None = None
) -> None:
    """The undo of `swap_now`, up to the start of the old one.

    Raises SupersededError; see `_refuse_others`.
    """
    _refuse_others(engine, swap, image_id, replaced, new_id)
    stop_new(engine, swap, None, new_id)
    step_back(engine, swap, new_id)
    put_back(engine, swap)
    arm_old(engine, swap)
    remove_new(engine, swap, new_id)


def _refuse_others(
    engine: Engine, swap: Swap, image_id: str, replaced: Collection[str], new_id: str | None = None
) -> None:
    """What stands aside under its name may do so for another update of it: then what took its place is not ours.

    Ours has the image that the old one had, and no part in any container that was `replaced` with it (ids).

    Raises:
        SupersededError: the old one is gone, or somebody else's stands in its place. Nothing was touched.
    """
    current = find(engine, swap.key)
    if find(engine, swap.old_id) is None:
        raise _superseded(swap)
    if current is None or current["Id"] in (swap.old_id, new_id):
        return
    if new_id is not None or current["Image"] != image_id or _shares_with(current) & set(replaced):
        raise _superseded(swap)


def _shares_with(container: Json) -> set[str]:
    """The containers whose namespaces it is in, by id."""
    modes = (container["HostConfig"].get(each) or "" for each in ("NetworkMode", "IpcMode", "PidMode"))
    return {each.removeprefix("container:") for each in modes if each.startswith("container:")}
