"""The content of a mount as a tar stream, by tar on Podman's machine: no image needs a shell for it.

Podman's own archive calls won't do: they give every file the owner that the container runs as.

Source: podman `libpod/container_copy_common.go`; podman-unshare(1).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from uptainer.core.errors import NotFoundError, RefusedError
from uptainer.core.workloads import Mount
from uptainer.runtimes.engine import archives, inspection, names
from uptainer.runtimes.engine.machine_tar import MachineTar
from uptainer.runtimes.engine.names import Role
from uptainer.runtimes.podman import discovery, exchange
from uptainer.runtimes.podman.client import Podman
from uptainer.runtimes.podman.dependants import find_dependants

Json = Mapping[str, Any]


def check_mount(podman: Podman, key: str, mount: Mount, *, alone: bool) -> None:
    """Raises RefusedError, in plain words, where the mount could not be restored; touches nothing that runs."""
    place = _place(podman, key, mount)
    containers = discovery.inspect_all(podman)
    own = next((each for each in containers if inspection.key(each) == key), None)
    if own is None:
        raise NotFoundError(f"there is no container named {key}")
    dependants = () if alone else find_dependants(own, containers)
    stopped = {own["Id"], *(each.container["Id"] for each in dependants)}
    others = [each for each in containers if each["Id"] not in stopped]
    _refuse_shared(others, key, replace(mount, source=place.whole))
    with _helper(podman, key, place, "ro") as helper:
        _tar(podman, helper, place).refuse_mounts()


@contextmanager
def read_mount(podman: Podman, key: str, mount: Mount) -> Iterator[Iterator[bytes]]:
    """A folder's content has names from `./` on; a single bound file is one entry. Raises RefusedError, NotFoundError."""
    place = _place(podman, key, mount)
    with (
        _helper(podman, key, place, "ro") as helper,
        _tar(podman, helper, place).read() as tar,
    ):
        yield tar


def write_mount(podman: Podman, key: str, mount: Mount, tar: Iterator[bytes]) -> None:
    """Raises RefusedError where it can't be done without harm, for one: while a running container has the mount."""
    place = _place(podman, key, mount)
    _refuse_shared(discovery.inspect_all(podman), key, replace(mount, source=place.whole))
    with _helper(podman, key, place, "rw") as helper:
        _tar(podman, helper, place).write(tar)


def _tar(podman: Podman, helper: str, place: archives.Place) -> MachineTar:
    """As root, who sees another user's containers' files too; else in the user's own namespace."""
    found = archives.by_tar(podman, helper, place)
    if isinstance(found, str):
        info = podman.get("/info", about="itself")
        if info["host"]["security"]["rootless"]:
            found = archives.by_tar(podman, helper, place, ("podman", "unshare"))
    if isinstance(found, str):
        raise RefusedError(
            f"{place.words} can't be kept exactly: Podman's own calls leave out who owns what, and tar on its machine can't "
            f"be used, for {found}. Run Uptainer there as root or as the user whose Podman it is, or reach it by SSH so"
        )
    return found


def _place(podman: Podman, key: str, mount: Mount) -> archives.Place:
    return archives.place_of(
        key, mount, lambda name: podman.get(f"/volumes/{name}/json", about=archives.words(key, mount))
    )


def _refuse_shared(containers: Sequence[Json], key: str, mount: Mount) -> None:
    running = filter(inspection.is_up, containers)
    users = ((inspection.key(each), other) for each in running for other in inspection.mounts(each))
    archives.refuse_users(users, key, mount)


@contextmanager
def _helper(podman: Podman, key: str, place: archives.Place, access: str) -> Iterator[str]:
    """A container that never runs; one that a killed process left is removed first."""
    owner = exchange.find(podman, key)
    image = _image_for(podman, owner, key)
    name = names.name_of(Role.HELPER, key, owner["Id"] if owner else image)
    remove_helpers(podman, key)
    bind = {
        "type": "bind",
        "source": place.parent,
        "destination": f"/{archives.INSIDE}",
        "options": ["rbind", access],
    }
    body = {
        "name": name,
        "image": image,
        "command": ["never-run"],
        "netns": {"nsmode": "none"},
        "image_volume_mode": "ignore",
        "mounts": [bind],
    }
    try:
        yield str(podman.post("/containers/create", body=body, about=name, wait=60)["Id"])
    finally:
        _remove_helper(podman, name)


def _image_for(podman: Podman, owner: Json | None, key: str) -> str:
    """The owner's own; any other where a unit has just removed its container, for nothing of it is run."""
    if owner is not None:
        return str(owner["Image"])
    listed = podman.get("/images/json", about="its images")
    if not listed:
        raise RefusedError(f"{key} is gone, and Podman has no image that its data could be reached with")
    return str(listed[0]["Id"])


def remove_helpers(podman: Podman, key: str) -> None:
    """Also those of containers that have been replaced since."""
    for each in podman.get("/containers/json", about=key, query={"all": "true"}) or ():
        for name in each["Names"]:
            if names.is_helper_of(name, key):
                _remove_helper(podman, name)


def _remove_helper(podman: Podman, name: str) -> None:
    with suppress(NotFoundError):
        podman.delete(f"/containers/{name}", about=name, query={"force": "true", "v": "false"})
