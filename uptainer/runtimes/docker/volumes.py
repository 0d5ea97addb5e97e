"""The content of a mount as a tar stream, read and written by the engine itself: no image needs a shell for it.

The engine unpacks an archive into a container that never runs. It never removes what the archive does not have, but
for one case: where a folder stands and the archive has a plain file of that name, the folder goes with all that is in
it. So the folder above the mount's is bound into the helper, and the archive begins with such a file, which the folder
that follows then replaces. Done again after a crash, it does the same again.

Source: Docker Engine API, "Extract an archive of files or folders"; moby `pkg/archive/archive.go`, `Unpack`.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from uptainer.core.errors import NotFoundError
from uptainer.core.workloads import Mount
from uptainer.runtimes.docker import discovery
from uptainer.runtimes.docker.dependants import find_dependants
from uptainer.runtimes.docker.volume_owners import owner_of
from uptainer.runtimes.engine import archives, inspection, names
from uptainer.runtimes.engine.client import Engine
from uptainer.runtimes.engine.machine_tar import MachineTar
from uptainer.runtimes.engine.names import Role
from uptainer.runtimes.engine.tars import whole

Json = Mapping[str, Any]


LEFT_OUT = "extended attributes but for file capabilities, access control lists among them, and fractions of a second in times"


def check_mount(engine: Engine, key: str, mount: Mount, *, alone: bool) -> None:
    """Raises RefusedError, in plain words, where the mount could not be restored; touches nothing that runs."""
    owner = owner_of(engine, key)
    place = _place(engine, key, mount)
    containers = discovery.inspect_all(engine)
    stopped = owner.containers if alone else _with_dependants(owner.containers, containers)
    others = [each for each in containers if each["Id"] not in stopped]
    _refuse_shared(others, key, replace(mount, source=place.whole))
    with _helper(engine, key, _bind(place, read_only=True)) as helper:
        way = _way(engine, helper, place)
        if not isinstance(way, str):
            way.refuse_mounts()


def left_out(engine: Engine, key: str, mount: Mount) -> str:
    """What reading it leaves out, and why; "" for nothing."""
    place = _place(engine, key, mount)
    with _helper(engine, key, _bind(place, read_only=True)) as helper:
        way = _way(engine, helper, place)
    return f"{LEFT_OUT}: {way}" if isinstance(way, str) else ""


@contextmanager
def read_mount(engine: Engine, key: str, mount: Mount) -> Iterator[Iterator[bytes]]:
    """A folder's content has names from `./` on; a single bound file is one entry.

    Raises RefusedError, NotFoundError; TemporaryError, where a file changed so that the rest can't be read.
    """
    place = _place(engine, key, mount)
    with _helper(engine, key, _bind(place, read_only=True)) as helper:
        way = _way(engine, helper, place)
        if isinstance(way, str):
            with archives.content(engine, helper, place) as pieces:
                yield whole(iter(pieces), place.words)
        else:
            with way.read() as tar:
                yield tar


def write_mount(engine: Engine, key: str, mount: Mount, tar: Iterator[bytes]) -> None:
    """Raises RefusedError where it can't be done without harm, for one: while a running container has the mount."""
    place = _place(engine, key, mount)
    _refuse_shared(discovery.inspect_all(engine), key, replace(mount, source=place.whole))
    with _helper(engine, key, _bind(place, read_only=False)) as helper:
        way = _way(engine, helper, place)
        if isinstance(way, str):
            archives.replace_content(engine, helper, place, tar)
        else:
            way.write(tar)


def _way(engine: Engine, helper: str, place: archives.Place) -> MachineTar | str:
    """An engine that maps users has other owners in its own archives than its machine sees."""
    archives.is_folder(engine, helper, place)
    options = engine.get("/info", about="itself").get("SecurityOptions") or ()
    if any(each.startswith(("name=userns", "name=rootless")) for each in options):
        return f"{engine.address.name} maps the users of its containers to others of its machine"
    return archives.by_tar(engine, helper, place)


def _place(engine: Engine, key: str, mount: Mount) -> archives.Place:
    return archives.place_of(
        key, mount, lambda name: engine.get(f"/volumes/{name}", about=archives.words(key, mount))
    )


def _with_dependants(ids: frozenset[str], containers: Sequence[Json]) -> frozenset[str]:
    own = (each for each in containers if each["Id"] in ids)
    return ids.union(each.container["Id"] for one in own for each in find_dependants(one, containers))


def _refuse_shared(containers: Sequence[Json], key: str, mount: Mount) -> None:
    running = filter(inspection.is_up, containers)
    users = ((inspection.key(each), other) for each in running for other in inspection.mounts(each))
    archives.refuse_users(users, key, mount)


def _bind(place: archives.Place, *, read_only: bool) -> Json:
    return {"Type": "bind", "Source": place.parent, "Target": f"/{archives.INSIDE}", "ReadOnly": read_only}


@contextmanager
def _helper(engine: Engine, key: str, mount: Json) -> Iterator[str]:
    """A container of the workload's own image that never runs; one that a killed process left is removed first."""
    owner = owner_of(engine, key)
    name = names.name_of(Role.HELPER, owner.name, owner.mark)
    remove_helpers(engine, owner.name)
    image = engine.get(f"/images/{owner.image_id}/json", about=key)
    body = {
        "Image": owner.image_id,
        "Cmd": ["never-run"],
        "NetworkDisabled": True,
        "HostConfig": {"NetworkMode": "none", "Mounts": [mount, *_no_volumes(image)]},
    }
    try:
        yield str(
            engine.post("/containers/create", body=body, about=name, wait=60, query={"name": name})["Id"]
        )
    finally:
        _remove_helper(engine, name)


def remove_helpers(engine: Engine, owner: str) -> None:
    """Also those of containers that have been replaced since."""
    filters = json.dumps({"name": [f"^/uptainer-{Role.HELPER.value}-{re.escape(owner)}-"]})
    for each in engine.get("/containers/json", about=owner, query={"all": "1", "filters": filters}):
        name = str(each["Names"][0]).removeprefix("/")
        if names.is_helper_of(name, owner):
            _remove_helper(engine, name)


def _no_volumes(image: Json) -> list[Json]:
    """What the image declares as volumes would be made and filled for the helper too."""
    declared = (image.get("Config") or {}).get("Volumes") or {}
    return [{"Type": "tmpfs", "Target": path} for path in sorted(declared)]


def _remove_helper(engine: Engine, name: str) -> None:
    with suppress(NotFoundError):
        engine.delete(f"/containers/{name}", about=name, query={"force": "1", "v": "0"})
