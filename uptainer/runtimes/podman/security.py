"""Users, rights and namespaces of a container, as they were asked for. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from uptainer.core.errors import RefusedError
from uptainer.runtimes.podman.create_command import CreateCommand
from uptainer.runtimes.podman.values import namespace, pairs

Json = Mapping[str, Any]


def settings(container: Json, command: CreateCommand, names_of: Mapping[str, str]) -> dict[str, Any]:
    return {
        "user": container["Config"].get("User") if command.has("user") else None,
        "groups": [each for value in command.values("group-add") for each in value.split(",")],
        "privileged": command.is_on("privileged") or None,
        "cap_add": [each for value in command.values("cap-add") for each in value.split(",")],
        "cap_drop": [each for value in command.values("cap-drop") for each in value.split(",")],
        "pidns": namespace(command.value("pid"), names_of),
        "utsns": namespace(command.value("uts"), names_of),
        "ipcns": namespace(command.value("ipc"), names_of),
        "cgroupns": namespace(command.value("cgroupns"), names_of),
        "cgroups_mode": command.value("cgroups"),
        "cgroup_parent": command.value("cgroup-parent"),
        "hostusers": list(command.values("hostuser")),
        "passwd_entry": command.value("passwd-entry"),
        "manage_password": command.is_on("passwd") if command.has("passwd") else None,
        **_users(container, command, names_of),
        **_options(command),
    }


def _users(container: Json, command: CreateCommand, names_of: Mapping[str, str]) -> dict[str, Any]:
    asked = command.value("userns")
    if asked is not None and asked.partition(":")[0] == "auto":
        return {"userns": namespace(asked, names_of), "idmappings": _automatic(container, asked)}
    mappings = container["HostConfig"].get("IDMappings") or {}
    if asked is not None and not command.has("uidmap", "gidmap"):
        return {"userns": namespace(asked, names_of)}
    if not command.has("uidmap", "gidmap", "subuidname", "subgidname"):
        return {}
    return {
        "userns": {"nsmode": "private"},
        "idmappings": {
            "UIDMap": [_mapping(each) for each in mappings.get("UidMap") or ()],
            "GIDMap": [_mapping(each) for each in mappings.get("GidMap") or ()],
            "HostUIDMapping": False,
            "HostGIDMapping": False,
        },
    }


def _automatic(container: Json, asked: str) -> dict[str, Any]:
    """The new container gets ids of its own, so files that the old one wrote would belong to nobody it knows."""
    if any(each.get("RW", True) for each in container.get("Mounts") or ()):
        raise RefusedError(
            "it has --userns=auto and data that it may write to: a new container gets other user ids than the files "
            "belong to. Give it fixed ones with --uidmap, or --userns=keep-id"
        )
    options = pairs(asked.partition(":")[2].split(","))
    if set(options) - {"size"}:
        raise RefusedError(f"Podman does not show how --userns={asked} would be asked for again")
    size = {"Size": int(options["size"])} if "size" in options else {}
    return {"AutoUserNs": True, "AutoUserNsOpts": size}


def _mapping(text: str) -> dict[str, int]:
    """`0:100000:65536`."""
    inside, outside, length = (int(part) for part in text.split(":"))
    return {"container_id": inside, "host_id": outside, "size": length}


def _options(command: CreateCommand) -> dict[str, Any]:
    """`--security-opt label=disable`, with `=` or the older `:`."""
    made: dict[str, Any] = {}
    for each in command.values("security-opt"):
        name, _, value = each.replace(":", "=", 1).partition("=") if "=" not in each else each.partition("=")
        match name:
            case "no-new-privileges":
                made["no_new_privileges"] = value in ("", "true")
            case "label":
                made.setdefault("selinux_opts", []).append(value)
            case "apparmor":
                made["apparmor_profile"] = value
            case "seccomp":
                made["seccomp_profile_path"] = value
            case "mask" | "unmask":
                _extend(made, name, value.split(":"))
            case "systempaths" if value == "unconfined":
                _extend(made, "unmask", ["ALL"])
            case "proc-opts":
                _extend(made, "procfs_opts", value.split(","))
            case _:
                raise RefusedError(f"Uptainer does not know --security-opt {each}, and would lose it")
    return made


def _extend(made: dict[str, Any], name: str, values: Sequence[str]) -> None:
    made[name] = [*made.get(name, ()), *values]
