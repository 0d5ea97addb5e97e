"""A mount's content on an engine's machine: where it is, what it is, who is in the way, and how it is reached.

Tar on that machine (`machine_tar`) is the one way that carries all; the engine's own archive calls are the other. An
archive is unpacked into a container that never runs. The folder above the mount's is bound into it, and the archive
begins with a plain file of the folder's name: that removes the folder, which the archive then makes anew.
"""

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from uptainer.core.errors import RefusedError
from uptainer.core.workloads import Mount
from uptainer.runtimes.engine import machine_tar
from uptainer.runtimes.engine.client import Answer, Engine
from uptainer.runtimes.engine.machine_tar import MachineTar
from uptainer.runtimes.engine.tars import placed_in

Json = Mapping[str, Any]

INSIDE = "uptainer"
_LOOKS = 3
"""What runs on may change the folder between the engine's look at it and ours."""
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
    """Where the mount's content is on the engine's machine: `name` in the folder `parent`; `words` name the mount to people."""

    parent: str
    name: str
    words: str

    @property
    def path(self) -> str:
        """In the helper."""
        return f"/{INSIDE}/{self.name}"

    @property
    def whole(self) -> str:
        """On the engine's machine."""
        return str(PurePosixPath(self.parent) / self.name)


def place_of(key: str, mount: Mount, inspect_volume: Callable[[str], Json]) -> Place:
    """Raises RefusedError for what holds no data, or none that could be put back. `inspect_volume` is given a name."""
    if mount.kind == "volume":
        return _split(_volume_folder(inspect_volume(mount.name), key, mount), words(key, mount))
    if mount.kind == "bind":
        if str(PurePosixPath(mount.source)) in _SYSTEM:
            raise RefusedError(
                f"{words(key, mount)} is a folder of the system itself, and is not backed up as data"
            )
        return _split(mount.source, words(key, mount))
    raise RefusedError(f"{words(key, mount)} is a {mount.kind} mount, which keeps no data")


def _volume_folder(volume: Json, key: str, mount: Mount) -> str:
    if volume["Driver"] != "local":
        raise RefusedError(
            f"{words(key, mount)} is kept by the volume driver {volume['Driver']}, and only volumes of the local "
            "driver can be backed up and restored"
        )
    if options := volume.get("Options"):
        raise RefusedError(
            f"{words(key, mount)} is a volume with mount options ({', '.join(sorted(options))}): what it mounts is "
            "elsewhere, and has to be backed up there"
        )
    return str(volume["Mountpoint"])


def _split(path: str, said: str) -> Place:
    pure = PurePosixPath(path)
    return Place(str(pure.parent), pure.name, said)


def refuse_users(users: Iterable[tuple[str, Mount]], key: str, mount: Mount) -> None:
    """`users` are running containers and their mounts: one would go on in the folder that was removed, and lose data."""
    for name, other in users:
        if _is_within(other, mount):
            raise RefusedError(f"{words(key, mount)} is in use by {name}, which runs: stop it first")


def _is_within(other: Mount, mount: Mount) -> bool:
    """Who has a folder above it finds the new one by its name, and is not in the way."""
    if not mount.source or not other.source:
        return False
    ours, theirs = PurePosixPath(mount.source), PurePosixPath(other.source)
    return ours == theirs or ours in theirs.parents


def is_folder(engine: Engine, helper: str, place: Place) -> bool:
    """True for a folder, False for a plain file; anything else is refused."""
    return _is_folder(_stat(engine, helper, place), place)


def by_tar(engine: Engine, helper: str, place: Place, prefix: Sequence[str] = ()) -> MachineTar | str:
    """Tar on the engine's machine, or why it can't be used."""
    why = ""
    for _ in range(_LOOKS):
        stat = _stat(engine, helper, place)
        folder = _is_folder(stat, place)
        why = machine_tar.refusal(engine, place.whole, stat, prefix)
        if not why:
            where, name = (place.whole, ".") if folder else (place.parent, place.name)
            return MachineTar(engine, where, name, place.words, prefix)
    return why


def _stat(engine: Engine, helper: str, place: Place) -> Json:
    headers = engine.head(f"/containers/{helper}/archive", about=place.words, query={"path": place.path})
    stat: Json = json.loads(base64.b64decode(headers["X-Docker-Container-Path-Stat"]))
    return stat


def _is_folder(stat: Json, place: Place) -> bool:
    mode = int(stat["mode"])
    if mode & _GO_SYMLINK:
        raise RefusedError(f"{place.words} is a symbolic link, and it is not known what else uses its target")
    if mode & _GO_OTHERS:
        raise RefusedError(f"{place.words} is a socket or a device, and holds no data")
    return bool(mode & _GO_DIRECTORY)


def content(engine: Engine, helper: str, place: Place) -> AbstractContextManager[Answer]:
    path = f"{place.path}/." if is_folder(engine, helper, place) else place.path
    return engine.open("GET", f"/containers/{helper}/archive", about=place.words, query={"path": path})


def replace_content(engine: Engine, helper: str, place: Place, tar: Iterator[bytes]) -> None:
    """Exactly what the tar says is there afterwards."""
    placed = placed_in(place.path.lstrip("/"), tar, is_folder=is_folder(engine, helper, place))
    engine.upload(f"/containers/{helper}/archive", placed, about=place.words, query={"path": "/"})


def words(key: str, mount: Mount) -> str:
    return f"{mount.destination} of {key}"
