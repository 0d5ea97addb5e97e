"""Mounts, volumes, devices and secrets of a container, as they were asked for. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from uptainer.runtimes.podman.create_command import CreateCommand
from uptainer.runtimes.podman.values import secret_fields, size

Json = Mapping[str, Any]

_IMAGE_VOLUMES = {"bind": "anonymous"}


def settings(container: Json, command: CreateCommand, inherited: frozenset[str]) -> dict[str, Any]:
    host = container["HostConfig"]
    return {
        "mounts": [*_binds(container, inherited), *_memory(host)],
        "volumes": list(_volumes(container, inherited)),
        "volumes_from": [each for value in command.values("volumes-from") for each in value.split(",")],
        "image_volume_mode": _image_volumes(command),
        "devices": [{"path": each} for each in command.values("device")],
        "device_cgroup_rule": [_device_rule(each) for each in command.values("device-cgroup-rule")],
        "secrets": list(_secrets(command)),
        "shm_size": size(command.values("shm-size")[-1], 1024) if command.has("shm-size") else None,
        "chroot_directories": list(command.values("chrootdirs")),
        "read_only_filesystem": command.is_on("read-only") or None,
    }


def _image_volumes(command: CreateCommand) -> str | None:
    mode = command.value("image-volume")
    return _IMAGE_VOLUMES.get(mode, mode) if mode else None


def _options(container: Json) -> dict[str, list[str]]:
    """By destination: what inspecting shows as `source:destination:options`."""
    found = {}
    for bind in container["HostConfig"].get("Binds") or ():
        head, _, options = str(bind).rpartition(":")
        found[head.rpartition(":")[2]] = options.split(",")
    return found


def _binds(container: Json, inherited: frozenset[str]) -> Iterator[dict[str, Any]]:
    options = _options(container)
    for each in container.get("Mounts") or ():
        if each["Type"] == "bind" and each["Destination"] not in inherited:
            yield {
                "type": "bind",
                "source": each["Source"],
                "destination": each["Destination"],
                "options": options.get(each["Destination"], []),
            }


def _volumes(container: Json, inherited: frozenset[str]) -> Iterator[dict[str, Any]]:
    """By name: also those that nobody named."""
    options = _options(container)
    for each in container.get("Mounts") or ():
        if each["Type"] == "volume" and each["Destination"] not in inherited:
            yield {
                "Name": each["Name"],
                "Dest": each["Destination"],
                "Options": options.get(each["Destination"], []),
            }


def _memory(host: Json) -> Iterator[dict[str, Any]]:
    for destination, options in (host.get("Tmpfs") or {}).items():
        yield {
            "type": "tmpfs",
            "source": "tmpfs",
            "destination": destination,
            "options": [each for each in str(options).split(",") if each],
        }


def _device_rule(text: str) -> dict[str, Any]:
    """`c 1:3 rwm`."""
    kind, numbers, access = text.split()
    major, _, minor = numbers.partition(":")
    made: dict[str, Any] = {"allow": True, "type": kind, "access": access}
    made |= {} if major == "*" else {"major": int(major)}
    return made | ({} if minor == "*" else {"minor": int(minor)})


def _secrets(command: CreateCommand) -> Iterator[dict[str, Any]]:
    for fields in map(secret_fields, command.values("secret")):
        if fields["type"] == "mount":
            yield {
                "Source": fields["source"],
                "Target": fields.get("target", ""),
                "UID": int(fields.get("uid", "0")),
                "GID": int(fields.get("gid", "0")),
                "Mode": int(fields.get("mode", "0444"), 8),
            }
