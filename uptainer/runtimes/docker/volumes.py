"""The content of a mount as a tar stream, read and written by the engine itself: no image needs a shell for it.

The engine unpacks an archive into a container that never runs. It never removes what the archive does not have, but
for one case: where a folder stands and the archive has a plain file of that name, the folder goes with all that is in
it. So the folder above the mount's is bound into the helper, and the archive begins with such a file, which the folder
that follows then replaces. Done again after a crash, it does the same again.

Source: Docker Engine API, "Extract an archive of files or folders"; moby `pkg/archive/archive.go`, `Unpack`.
"""

import base64
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from uptainer.core.errors import NotFoundError, RefusedError
from uptainer.core.workloads import Mount
from uptainer.runtimes.docker import discovery, exchange, facts, names
from uptainer.runtimes.docker.dependants import find_dependants
from uptainer.runtimes.docker.names import Role
from uptainer.runtimes.engine.client import Engine
from uptainer.runtimes.engine.tars import placed_in

Json = Mapping[str, Any]

INSIDE = "uptainer"
_GO_DIRECTORY, _GO_SYMLINK = 1 << 31, 1 << 27
_GO_OTHERS = (1 << 26) | (1 << 25) | (1 << 24) | (1 << 21) | (1 << 19)
_SYSTEM = frozenset(
    f"/{name}"
    for name in (
        *(
            "bin",
            "boot",
            "dev",
            "etc",
            "home",
            "lib",
            "lib64",
            "media",
            "mnt",
            "opt",
            "proc",
            "root",
            "run",
            "sbin",
        ),
        *("srv", "sys", "tmp", "usr", "var", "usr/lib", "usr/local", "var/lib", "var/lib/docker", "var/run"),
    )
) | {"/"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where the mount's content is on the engine's machine: `name` in the folder `parent`."""

    parent: str
    name: str

    @property
    def path(self) -> str:
        return f"/{INSIDE}/{self.name}"


def check_mount(engine: Engine, key: str, mount: Mount) -> None:
    """Raises RefusedError, in plain words, where the mount could not be restored; touches nothing that runs."""
    place = _place(engine, key, mount)
    containers = discovery.inspect_all(engine)
    own = next((each for each in containers if facts.key(each) == key), None)
    if own is None:
        raise NotFoundError(f"there is no container named {key}")
    stopped_with_it = {each.container["Id"] for each in find_dependants(own, containers)} | {own["Id"]}
    _refuse_shared([each for each in containers if each["Id"] not in stopped_with_it], key, mount)
    with _helper(engine, key, _bind(place, read_only=True)) as helper:
        _refuse_kind(engine, helper, place, key, mount)


@contextmanager
def read_mount(engine: Engine, key: str, mount: Mount) -> Iterator[Iterator[bytes]]:
    """A folder's content has names from `./` on; a single bound file is one entry. Raises RefusedError, NotFoundError."""
    place = _place(engine, key, mount)
    with _helper(engine, key, _bind(place, read_only=True)) as helper:
        is_folder = _refuse_kind(engine, helper, place, key, mount)
        path = f"{place.path}/." if is_folder else place.path
        with engine.open(
            "GET", f"/containers/{helper}/archive", about=_words(key, mount), query={"path": path}
        ) as answer:
            yield iter(answer)


def write_mount(engine: Engine, key: str, mount: Mount, tar: Iterator[bytes]) -> None:
    """Raises RefusedError where it can't be done without harm, for one: while a running container has the mount."""
    place = _place(engine, key, mount)
    _refuse_shared(discovery.inspect_all(engine), key, mount)
    with _helper(engine, key, _bind(place, read_only=False)) as helper:
        is_folder = _refuse_kind(engine, helper, place, key, mount)
        content = placed_in(f"{INSIDE}/{place.name}", tar, is_folder=is_folder)
        engine.upload(f"/containers/{helper}/archive", content, about=_words(key, mount), query={"path": "/"})


def _place(engine: Engine, key: str, mount: Mount) -> Place:
    if mount.kind == "volume":
        return _split(_volume_folder(engine, key, mount))
    if mount.kind == "bind":
        if str(PurePosixPath(mount.source)) in _SYSTEM:
            raise RefusedError(
                f"{_words(key, mount)} is a folder of the system itself, and is not backed up as data"
            )
        return _split(mount.source)
    raise RefusedError(f"{_words(key, mount)} is a {mount.kind} mount, which keeps no data")


def _volume_folder(engine: Engine, key: str, mount: Mount) -> str:
    volume = engine.get(f"/volumes/{mount.name}", about=_words(key, mount))
    if volume["Driver"] != "local":
        raise RefusedError(
            f"{_words(key, mount)} is kept by the volume driver {volume['Driver']}, and only volumes of the local "
            "driver can be backed up and restored"
        )
    if options := volume.get("Options"):
        raise RefusedError(
            f"{_words(key, mount)} is a volume with mount options ({', '.join(sorted(options))}): what it mounts is "
            "elsewhere, and has to be backed up there"
        )
    return str(volume["Mountpoint"])


def _split(path: str) -> Place:
    pure = PurePosixPath(path)
    return Place(str(pure.parent), pure.name)


def _refuse_shared(containers: Sequence[Json], key: str, mount: Mount) -> None:
    """A running container would go on in the folder that was removed, and lose what it writes."""
    for each in containers:
        state = each["State"]
        if not (state.get("Running") or state.get("Paused")):
            continue
        if any(_is_within(other, mount) for other in facts.mounts(each)):
            raise RefusedError(
                f"{_words(key, mount)} is in use by {facts.key(each)}, which runs: stop it before data is restored"
            )


def _is_within(other: Mount, mount: Mount) -> bool:
    """Who has a folder above it finds the new one by its name, and is not in the way."""
    if not mount.source or not other.source:
        return False
    ours, theirs = PurePosixPath(mount.source), PurePosixPath(other.source)
    return ours == theirs or ours in theirs.parents


def _refuse_kind(engine: Engine, helper: str, place: Place, key: str, mount: Mount) -> bool:
    """True for a folder, False for a plain file."""
    headers = engine.head(
        f"/containers/{helper}/archive", about=_words(key, mount), query={"path": place.path}
    )
    mode = int(json.loads(base64.b64decode(headers["X-Docker-Container-Path-Stat"]))["mode"])
    if mode & _GO_SYMLINK:
        raise RefusedError(
            f"{_words(key, mount)} is a symbolic link, and it is not known what else uses its target"
        )
    if mode & _GO_OTHERS:
        raise RefusedError(f"{_words(key, mount)} is a socket or a device, and holds no data")
    return bool(mode & _GO_DIRECTORY)


def _bind(place: Place, *, read_only: bool) -> Json:
    return {"Type": "bind", "Source": place.parent, "Target": f"/{INSIDE}", "ReadOnly": read_only}


@contextmanager
def _helper(engine: Engine, key: str, mount: Json) -> Iterator[str]:
    """A container of the workload's own image that never runs; one that a killed process left is removed first."""
    owner = exchange.find(engine, key)
    if owner is None:
        raise NotFoundError(f"there is no container named {key}")
    name = names.name_of(Role.HELPER, key, owner["Id"])
    _remove_stale_helpers(engine, key)
    image = engine.get(f"/images/{owner['Image']}/json", about=key)
    body = {
        "Image": owner["Image"],
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


def _remove_stale_helpers(engine: Engine, key: str) -> None:
    """Also those of containers that have been replaced since."""
    filters = json.dumps({"name": [f"^/uptainer-{Role.HELPER.value}-{re.escape(key)}-"]})
    for each in engine.get("/containers/json", about=key, query={"all": "1", "filters": filters}):
        name = str(each["Names"][0]).removeprefix("/")
        if names.role(name) is Role.HELPER:
            _remove_helper(engine, name)


def _no_volumes(image: Json) -> list[Json]:
    """What the image declares as volumes would be made and filled for the helper too."""
    declared = (image.get("Config") or {}).get("Volumes") or {}
    return [{"Type": "tmpfs", "Target": path} for path in sorted(declared)]


def _remove_helper(engine: Engine, name: str) -> None:
    with suppress(NotFoundError):
        engine.delete(f"/containers/{name}", about=name, query={"force": "1", "v": "0"})


def _words(key: str, mount: Mount) -> str:
    return f"{mount.destination} of {key}"
