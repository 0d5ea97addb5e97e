"""From what `inspect` shows of a container to what its creation asked for. Pure.

What the user set is what is not the image's default: the engine mixes both into one configuration, and to create a
container with all of it would freeze the old image's defaults into the new container.

Source: the engine's own merge of the two, moby `daemon/commit.go`, `merge`.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from uptainer.runtimes.engine.names import is_anonymous, short

Json = Mapping[str, Any]

COMPOSE_IMAGE = "com.docker.compose.image"
NEVER_RESTART: Json = {"Name": "no", "MaximumRetryCount": 0}
_CONTAINER = "container:"
_INHERITED_TEXTS = ("User", "WorkingDir", "StopSignal")


def user_settings(config: Json, image_config: Json) -> dict[str, Any]:
    """The container's own part of its `Config`."""
    settings = dict(config)
    settings |= {
        "Env": _own_environment(config.get("Env"), image_config.get("Env")),
        "Labels": _own_items(config.get("Labels"), image_config.get("Labels")),
        "ExposedPorts": _own_keys(config.get("ExposedPorts"), image_config.get("ExposedPorts")),
        "Volumes": _own_keys(config.get("Volumes"), image_config.get("Volumes")),
        "Healthcheck": _own_healthcheck(config.get("Healthcheck"), image_config.get("Healthcheck")),
    }
    for name in _INHERITED_TEXTS:
        if config.get(name) == image_config.get(name):
            settings[name] = ""
    for name in ("Shell", "OnBuild"):
        if config.get(name) == image_config.get(name):
            settings[name] = None
    return settings | _own_command(config, image_config)


def _own_command(config: Json, image_config: Json) -> dict[str, Any]:
    """An entrypoint set by the user also takes the image's command away; `[""]` asks for no entrypoint at all."""
    entrypoint, command = config.get("Entrypoint") or None, config.get("Cmd") or None
    default_entrypoint, default_command = (
        image_config.get("Entrypoint") or None,
        image_config.get("Cmd") or None,
    )
    dropped_command = command is None and default_command is not None
    if entrypoint == default_entrypoint and not dropped_command:
        own = None if command == default_command else command
        return {"Entrypoint": None, "Cmd": own, **({} if own else {"ArgsEscaped": False})}
    return {"Entrypoint": entrypoint or [""], "Cmd": command}


def _own_environment(variables: Sequence[str] | None, defaults: Sequence[str] | None) -> list[str]:
    known = set(defaults or ())
    return [each for each in variables or () if each not in known]


def _own_items(items: Json | None, defaults: Json | None) -> dict[str, Any]:
    known = defaults or {}
    return {name: value for name, value in (items or {}).items() if known.get(name) != value}


def _own_keys(items: Json | None, defaults: Json | None) -> dict[str, Any]:
    return {name: value for name, value in (items or {}).items() if name not in (defaults or {})}


def _own_healthcheck(check: Json | None, default: Json | None) -> dict[str, Any] | None:
    """The engine fills in each field that is not set, one by one."""
    own = {name: value for name, value in (check or {}).items() if (default or {}).get(name) != value}
    return own or None


def host_name(container: Json, engine_name: str) -> dict[str, str]:
    """Host and domain name where the user chose them; the engine's defaults are the short id, or its own name.

    With another container's network both are that container's, and asking for them is refused.
    """
    config, mode = container["Config"], container["HostConfig"].get("NetworkMode") or ""
    if mode.startswith(_CONTAINER):
        return {"Hostname": "", "Domainname": ""}
    defaults = {short(container["Id"])} | ({engine_name} if mode == "host" else set())
    hostname = config.get("Hostname") or ""
    return {
        "Hostname": "" if hostname in defaults else hostname,
        "Domainname": config.get("Domainname") or "",
    }


def host_settings(container: Json, names_of: Mapping[str, str], inherited: frozenset[str]) -> dict[str, Any]:
    """`HostConfig` as it was asked for, with other containers by name and unnamed volumes by the names they got.

    Args:
        container: as inspected.
        names_of: from the id of each container on the host to its name.
        inherited: destinations that come with `VolumesFrom`, and need no mount of their own.
    """
    host = dict(container["HostConfig"])
    for mode in ("NetworkMode", "IpcMode", "PidMode"):
        host[mode] = _by_name(host.get(mode) or "", names_of)
    host["VolumesFrom"] = _volumes_from(host.get("VolumesFrom"), names_of)
    host["Links"] = [_link(each) for each in host.get("Links") or ()] or None
    host["Mounts"] = _named_mounts(container)
    host["Binds"] = [*_sourced_binds(container), *_carried_volumes(container, inherited)] or None
    return host


def _by_name(mode: str, names_of: Mapping[str, str]) -> str:
    if not mode.startswith(_CONTAINER):
        return mode
    target = mode.removeprefix(_CONTAINER)
    return _CONTAINER + names_of.get(target, target)


def _volumes_from(entries: Sequence[str] | None, names_of: Mapping[str, str]) -> list[str] | None:
    split = [each.partition(":") for each in entries or ()]
    return [names_of.get(target, target) + colon + mode for target, colon, mode in split] or None


def _link(shown: str) -> str:
    """`/db:/web/database` is what the engine shows for `db:database`."""
    target, _, alias = shown.partition(":")
    return f"{target.removeprefix('/')}:{alias.rpartition('/')[2]}"


def _named_mounts(container: Json) -> list[Json] | None:
    """`--mount type=volume` without a source made a volume; it is asked for by its name from now on."""
    volumes = {each["Destination"]: each.get("Name") or "" for each in container.get("Mounts") or ()}
    return [
        {**each, "Source": volumes.get(each["Target"], "")}
        if each.get("Type") == "volume" and not each.get("Source")
        else each
        for each in container["HostConfig"].get("Mounts") or ()
    ] or None


def _sourced_binds(container: Json) -> list[str]:
    """Those that name what they bind. `/path` alone made a volume, which is carried over by its name."""
    binds = [str(each) for each in container["HostConfig"].get("Binds") or ()]
    return [each for each in binds if len(_split_bind(each)) > 1]


def _carried_volumes(container: Json, inherited: frozenset[str]) -> list[str]:
    """Unnamed volumes that no bind or mount names yet: made for `VOLUME` in the image, or for `-v /path`."""
    host = container["HostConfig"]
    asked = {bind_destination(each) for each in _sourced_binds(container)}
    asked |= {each["Target"] for each in host.get("Mounts") or ()} | inherited
    return [
        f"{each['Name']}:{each['Destination']}" + ("" if each.get("RW", True) else ":ro")
        for each in container.get("Mounts") or ()
        if each["Type"] == "volume"
        and is_anonymous(each.get("Name") or "")
        and each["Destination"] not in asked
    ]


def bind_destination(bind: str) -> str:
    """`source:destination[:options]`."""
    return _split_bind(bind)[-1].split(":")[0].rstrip("/") or "/"


def _split_bind(bind: str) -> list[str]:
    """Source and destination with its options, or only the latter."""
    return re.split(r":(?=/)", bind, maxsplit=1)


def moved_labels(labels: Mapping[str, str], old_image_id: str, new_image_id: str) -> dict[str, str]:
    """Compose notes the image's id on the container and recreates it where they differ: the note moves along."""
    if labels.get(COMPOSE_IMAGE) == old_image_id:
        return {**labels, COMPOSE_IMAGE: new_image_id}
    return dict(labels)
