"""A container made beside the one that its configuration is of: its own volumes, and nothing that would collide."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from uptainer.core.errors import NotFoundError, RefusedError
from uptainer.runtimes.copies import Copy
from uptainer.runtimes.engine import copies, disk
from uptainer.runtimes.engine.names import Role, role
from uptainer.runtimes.podman import exchange, restoring, volumes
from uptainer.runtimes.podman.client import Podman
from uptainer.runtimes.podman.create_command import CreateCommand, parse, write

Json = Mapping[str, Any]

_OF_PLACE = ("static_ips", "static_mac", "aliases")
"""What an endpoint has that only one container on the network can have."""
_OF_PLACE_WORDS = frozenset({"ip", "ip6", "mac", "alias"})
_OF_ONE = ("name", "ip", "ip6", "mac-address", "network-alias", "cidfile", "replace", "rm")
_PORTS = ("publish", "publish-all")
_OF_NETWORKS = ("Networks", "network_options", "portmappings", "publish_image_ports")


def copy(podman: Podman, saved: Json, wanted: Copy) -> None:
    """Raises: RefusedError, NotFoundError, InvalidInputError."""
    if saved.get("pod"):
        raise RefusedError(
            f"it is in the pod {saved['pod']}: make it by hand as {wanted.name}, and restore into it"
        )
    body = _changed(restoring.read_specification(podman, saved, wanted.name), wanted)
    copies.refuse_sharing(body.get("volumes_from"), wanted.name)
    taken = [name for name in wanted.volumes.values() if _has_volume(podman, name)]
    copies.refuse_taken(wanted.name, is_taken=exchange.find(podman, wanted.name) is not None, volumes=taken)
    for name in wanted.volumes.values():
        asked = {"Name": name, "Labels": copies.mark(wanted)}
        podman.post("/volumes/create", body=asked, about=name)
    podman.post("/containers/create", body=body, about=wanted.name, wait=60)


def free_bytes(podman: Podman) -> int:
    return disk.free_bytes(podman, podman.get("/info", about="itself")["store"]["volumePath"])


def discard(podman: Podman, mark: str) -> None:
    for name in (each for each, its in _containers(podman).items() if its == mark):
        volumes.remove_helpers(podman, name)
        with suppress(NotFoundError):
            podman.delete(f"/containers/{name}", about=name, query={"force": "true", "v": "false"})
    for name in (each for each, its in _volumes(podman).items() if its == mark):
        with suppress(NotFoundError):
            podman.delete(f"/volumes/{name}", about=name)


def trial_copies(podman: Podman) -> Sequence[str]:
    found = {*_containers(podman).values(), *_volumes(podman).values()}
    return sorted(mark for mark in found if role(mark) is Role.TEST)


def _containers(podman: Podman) -> dict[str, str]:
    """The names of those that were made as copies, with their marks."""
    listed = podman.get("/containers/json", about="its containers", query={"all": "true"}) or ()
    return copies.marks({str(each["Names"][0]): each.get("Labels") or {} for each in listed})


def _volumes(podman: Podman) -> dict[str, str]:
    listed = podman.get("/volumes/json", about="its volumes") or ()
    return copies.marks({str(each["Name"]): each.get("Labels") or {} for each in listed})


def _has_volume(podman: Podman, name: str) -> bool:
    with suppress(NotFoundError):
        return bool(podman.get(f"/volumes/{name}/json", about=name))
    return False


def _changed(given: Json, wanted: Copy) -> dict[str, Any]:
    body = {**given, "labels": copies.labels(given.get("labels") or {}, wanted)}
    command = parse(given.get("containerCreateCommand") or ())
    body["containerCreateCommand"] = write(_command(command, wanted)) if command else None
    body["volumes"] = [_volume(each, wanted) for each in given.get("volumes") or ()]
    body["Networks"] = {
        network: {name: value for name, value in endpoint.items() if name not in _OF_PLACE}
        for network, endpoint in (given.get("Networks") or {}).items()
    }
    if not wanted.ports:
        body |= {"portmappings": [], "publish_image_ports": False}
    if wanted.isolated:
        body |= dict.fromkeys(_OF_NETWORKS)
        body |= {"netns": {"nsmode": "none"}, "restart_policy": "no"}
        body["mounts"] = [_read_only(each) for each in given.get("mounts") or ()]
    return {name: value for name, value in body.items() if value not in (None, {}, [])}


def _command(old: CreateCommand, wanted: Copy) -> CreateCommand:
    """A later update goes by it, so it has to be that of the copy."""
    left_out = _OF_ONE if wanted.ports else (*_OF_ONE, *_PORTS)
    options = {name: values for name, values in old.options.items() if name not in left_out}
    if "network" in options:
        options["network"] = ("none",) if wanted.isolated else tuple(map(_network, options["network"]))
    for name in ("volume", "mount"):
        if name in options:
            options[name] = tuple(_renamed(each, wanted) for each in options[name])
    return replace(old, options={"name": (wanted.name,), **options})


def _network(value: str) -> str:
    """`front:ip=10.0.0.2,alias=web`, without what only one can have."""
    name, _, asked = value.partition(":")
    kept = [each for each in asked.split(",") if each and each.partition("=")[0] not in _OF_PLACE_WORDS]
    return f"{name}:{','.join(kept)}" if kept else name


def _renamed(value: str, wanted: Copy) -> str:
    """`data:/data:ro`, or `type=volume,source=data,target=/data`."""
    head, colon, rest = value.partition(":")
    if head in wanted.volumes:
        return wanted.volumes[head] + colon + rest
    fields = [each.partition("=") for each in value.split(",")]
    named = [
        (key, equals, wanted.volumes.get(each, each) if key in {"source", "src"} else each)
        for key, equals, each in fields
    ]
    return ",".join(map("".join, named))


def _volume(volume: Json, wanted: Copy) -> dict[str, Any]:
    return {**volume, "Name": wanted.volumes.get(volume["Name"], volume["Name"])}


def _read_only(mount: Json) -> dict[str, Any]:
    if mount.get("type") != "bind":
        return dict(mount)
    return {
        **mount,
        "options": [*(each for each in mount.get("options") or () if each not in {"rw", "ro"}), "ro"],
    }
