"""A container made beside the one that its configuration is of: its own volumes, and nothing that would collide."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from uptainer.core.errors import NotFoundError
from uptainer.runtimes.copies import Copy
from uptainer.runtimes.docker import exchange, restoring, volumes
from uptainer.runtimes.docker.swap import Swap
from uptainer.runtimes.engine import copies, disk
from uptainer.runtimes.engine.client import Engine
from uptainer.runtimes.engine.names import Role, role

Json = Mapping[str, Any]

_OF_PLACE = ("IPAMConfig", "Aliases", "MacAddress")
"""What an endpoint has that only one container on the network can have."""


def copy(engine: Engine, saved: Json, wanted: Copy) -> None:
    """Raises: RefusedError, NotFoundError, InvalidInputError."""
    swap = _changed(restoring.read_swap(engine, saved), wanted)
    copies.refuse_sharing(swap.body["HostConfig"].get("VolumesFrom"), wanted.name)
    taken = [name for name in wanted.volumes.values() if _has_volume(engine, name)]
    copies.refuse_taken(wanted.name, is_taken=exchange.find(engine, wanted.name) is not None, volumes=taken)
    for name in wanted.volumes.values():
        body = {"Name": name, "Labels": copies.mark(wanted)}
        engine.post("/volumes/create", body=body, about=name)
    restoring.create(engine, swap, wanted.name)


def free_bytes(engine: Engine) -> int:
    root = engine.get("/info", about="itself")["DockerRootDir"]
    return disk.free_bytes(engine, f"{root}/volumes")


def discard(engine: Engine, mark: str) -> None:
    for name in (each for each, its in _containers(engine).items() if its == mark):
        volumes.remove_helpers(engine, name)
        with suppress(NotFoundError):
            engine.delete(f"/containers/{name}", about=name, query={"force": "1", "v": "0"})
    for name in (each for each, its in _volumes(engine).items() if its == mark):
        with suppress(NotFoundError):
            engine.delete(f"/volumes/{name}", about=name)


def trial_copies(engine: Engine) -> Sequence[str]:
    found = {*_containers(engine).values(), *_volumes(engine).values()}
    return sorted(mark for mark in found if role(mark) is Role.TEST)


def _containers(engine: Engine) -> dict[str, str]:
    """The names of those that were made as copies, with their marks."""
    listed = engine.get("/containers/json", about="its containers", query={"all": "1"})
    return copies.marks(
        {str(each["Names"][0]).removeprefix("/"): each.get("Labels") or {} for each in listed}
    )


def _volumes(engine: Engine) -> dict[str, str]:
    listed = engine.get("/volumes", about="its volumes")["Volumes"] or ()
    return copies.marks({str(each["Name"]): each.get("Labels") or {} for each in listed})


def _has_volume(engine: Engine, name: str) -> bool:
    with suppress(NotFoundError):
        return bool(engine.get(f"/volumes/{name}", about=name))
    return False


def _changed(swap: Swap, wanted: Copy) -> Swap:
    host = _host(swap.body["HostConfig"], wanted)
    body = {**swap.body, "HostConfig": host, "Labels": copies.labels(swap.body.get("Labels") or {}, wanted)}
    body.pop("MacAddress", None)
    if wanted.isolated:
        body.pop("NetworkingConfig", None)
        policy = {"Name": "no", "MaximumRetryCount": 0}
        return replace(swap, body=body, endpoints={}, detached=None, restart_policy=policy)
    at_creation = (body.get("NetworkingConfig") or {}).get("EndpointsConfig") or {}
    if at_creation:
        body["NetworkingConfig"] = {"EndpointsConfig": _endpoints(at_creation)}
    return replace(swap, body=body, endpoints=_endpoints(swap.endpoints))


def _endpoints(endpoints: Json) -> dict[str, Any]:
    return {
        network: {name: value for name, value in endpoint.items() if name not in _OF_PLACE}
        for network, endpoint in endpoints.items()
    }


def _host(given: Json, wanted: Copy) -> dict[str, Any]:
    host = {**given, "AutoRemove": False}
    host["Binds"] = [_bind(str(each), wanted) for each in given.get("Binds") or ()] or None
    host["Mounts"] = [_mount(each, wanted) for each in given.get("Mounts") or ()] or None
    if not wanted.ports:
        host |= {"PortBindings": {}, "PublishAllPorts": False}
    if wanted.isolated:
        host |= {"NetworkMode": "none", "Links": None}
    return host


def _bind(bind: str, wanted: Copy) -> str:
    """`source:destination[:options]`."""
    source, colon, rest = bind.partition(":")
    if source in wanted.volumes:
        return wanted.volumes[source] + colon + rest
    if not wanted.isolated:
        return bind
    destination, _, options = rest.partition(":")
    kept = [each for each in options.split(",") if each and each not in {"rw", "ro"}]
    return f"{source}:{destination}:{','.join([*kept, 'ro'])}"


def _mount(mount: Json, wanted: Copy) -> dict[str, Any]:
    if mount.get("Type") == "volume" and mount.get("Source") in wanted.volumes:
        return {**mount, "Source": wanted.volumes[mount["Source"]]}
    return {**mount, "ReadOnly": True} if wanted.isolated and mount.get("Type") == "bind" else dict(mount)
