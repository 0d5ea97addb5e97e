"""A container made beside the one that its configuration is of: its own volumes, and nothing that would collide."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from uptainer.core.errors import NotFoundError
from uptainer.runtimes.docker import exchange, restoring
from uptainer.runtimes.docker.swap import Swap
from uptainer.runtimes.engine import copies
from uptainer.runtimes.engine.client import Engine
from uptainer.runtimes.engine.names import Role, role
from uptainer.runtimes.port import Copy

Json = Mapping[str, Any]

_OF_PLACE = ("IPAMConfig", "Aliases", "MacAddress")
"""What an endpoint has that only one container on the network can have."""


def copy(engine: Engine, saved: Json, wanted: Copy) -> None:
    """Raises: RefusedError, NotFoundError, InvalidInputError."""
    swap = _changed(restoring.read_swap(engine, saved), wanted)
    copies.refuse_sharing(swap.body["HostConfig"].get("VolumesFrom"), wanted.name)
    taken = [name for name in wanted.volumes.values() if _has_volume(engine, name)]
    copies.refuse_taken(wanted.name, is_taken=exchange.find(engine, wanted.name) is not None, volumes=taken)
    try:
        for name in wanted.volumes.values():
            labels = {Copy.MARK: wanted.name}
            engine.post("/volumes/create", body={"Name": name, "Labels": labels}, about=name)
        restoring.create(engine, swap, wanted.name)
    except BaseException:
        discard(engine, wanted.name)
        raise


def discard(engine: Engine, name: str) -> None:
    with suppress(NotFoundError):
        engine.delete(f"/containers/{name}", about=name, query={"force": "1", "v": "0"})
    for volume, mark in _marked(engine).items():
        if mark == name:
            with suppress(NotFoundError):
                engine.delete(f"/volumes/{volume}", about=volume)


def trial_copies(engine: Engine) -> Sequence[str]:
    listed = engine.get("/containers/json", about="its containers", query={"all": "1"})
    found = {str(each["Names"][0]).removeprefix("/") for each in listed} | set(_marked(engine).values())
    return sorted(name for name in found if role(name) is Role.TEST)


def _marked(engine: Engine) -> dict[str, str]:
    volumes = engine.get("/volumes", about="its volumes")["Volumes"] or ()
    labels = {str(each["Name"]): each.get("Labels") or {} for each in volumes}
    return {name: str(each[Copy.MARK]) for name, each in labels.items() if Copy.MARK in each}


def _has_volume(engine: Engine, name: str) -> bool:
    with suppress(NotFoundError):
        return bool(engine.get(f"/volumes/{name}", about=name))
    return False


def _changed(swap: Swap, wanted: Copy) -> Swap:
    host = _host(swap.body["HostConfig"], wanted)
    body = {**swap.body, "HostConfig": host, "Labels": copies.labels(swap.body.get("Labels") or {})}
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
