"""Networks, ports and names of a container, as they were asked for. Pure.

What inspecting shows of a network is the address that the container got, and not whether it was asked for.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from uptainer.core.errors import RefusedError
from uptainer.runtimes.podman.create_command import CreateCommand
from uptainer.runtimes.podman.values import namespace

Json = Mapping[str, Any]

OWN_MODES = frozenset({"host", "none", "private", "slirp4netns", "pasta", "container", "ns", "bridge", "pod"})
"""What is no network's name in `--network`."""


def settings(
    container: Json, command: CreateCommand, names_of: Mapping[str, str], *, pod: str | None
) -> dict[str, Any]:
    """In a pod all of this is the pod's."""
    names = {
        "hostname": command.value("hostname"),
        "hostadd": list(command.values("add-host")),
        "dns_server": [each for each in command.values("dns") if each != "none"],
        "dns_search": list(command.values("dns-search")),
        "dns_option": list(command.values("dns-option")),
        "use_image_hosts": command.is_on("no-hosts") or None,
        "use_image_resolve_conf": "none" in command.values("dns") or None,
        "expose": _exposed(command),
    }
    if pod is not None and not command.has("network"):
        return names
    return names | {
        "netns": _mode(command, names_of),
        "Networks": _networks(container, command),
        "network_options": _mode_options(command),
        "portmappings": list(_ports(container, command)),
        "publish_image_ports": command.is_on("publish-all") or None,
    }


def _asked(command: CreateCommand) -> list[tuple[str, str]]:
    """`front:ip=10.0.0.2`, `slirp4netns:port_handler=...`, `front,back`: names and options."""
    split: list[tuple[str, str]] = []
    for value in command.values("network"):
        name, _, options = value.partition(":")
        is_list = name not in OWN_MODES and not options
        split += [(each, "") for each in name.split(",")] if is_list else [(name, options)]
    return split


def _mode(command: CreateCommand, names_of: Mapping[str, str]) -> dict[str, str] | None:
    asked = _asked(command)
    if not asked:
        return None
    name, options = asked[0]
    if name not in OWN_MODES:
        return {"nsmode": "bridge"}
    return namespace(f"{name}:{options}" if name in ("container", "ns") else name, names_of)


def _mode_options(command: CreateCommand) -> dict[str, list[str]]:
    return {
        name: options.split(",")
        for name, options in _asked(command)
        if name in ("slirp4netns", "pasta") and options
    }


def _networks(container: Json, command: CreateCommand) -> dict[str, dict[str, Any]]:
    shown = list(container["NetworkSettings"].get("Networks") or {})
    asked = [(name, options) for name, options in _asked(command) if name not in OWN_MODES]
    on_bridge = [options for name, options in _asked(command) if name == "bridge"]
    known = [name for name, _ in asked]
    by_hand = [name for name in shown if name not in known]
    on_default = not known and container["HostConfig"].get("NetworkMode") == "bridge"
    if (known and (by_hand or set(known) - set(shown))) or (on_default and len(shown) != 1):
        raise RefusedError(
            f"its networks are {', '.join(shown) or 'none'}, and it was made with {', '.join(known) or 'the default one'}: Podman does "
            "not show what it was connected with later. Make it again with --network for each"
        )
    first = asked or [(name, options) for name in by_hand[:1] for options in (on_bridge or [""])]
    made = {name: _endpoint(options) for name, options in first}
    if made:
        _merge(made[next(iter(made))], _first_endpoint(command))
    needed = asked or on_default or any(made.values())
    return made if needed else {}


def _endpoint(options: str) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for option in filter(None, options.split(",")):
        name, _, value = option.partition("=")
        match name:
            case "ip" | "ip6":
                made.setdefault("static_ips", []).append(value)
            case "mac":
                made["static_mac"] = value
            case "alias":
                made.setdefault("aliases", []).append(value)
            case "interface_name":
                made["interface_name"] = value
            case _:
                made.setdefault("options", {})[name] = value
    return made


def _first_endpoint(command: CreateCommand) -> dict[str, Any]:
    addresses = [command.value(name) for name in ("ip", "ip6")]
    made = {
        "static_ips": [each for each in addresses if each],
        "static_mac": command.value("mac-address"),
        "aliases": list(command.values("network-alias")),
    }
    return {name: value for name, value in made.items() if value}


def _merge(endpoint: dict[str, Any], more: Mapping[str, Any]) -> None:
    for name, value in more.items():
        endpoint[name] = [*endpoint.get(name, ()), *value] if isinstance(value, list) else value


def _ports(container: Json, command: CreateCommand) -> Iterator[dict[str, Any]]:
    """A port that Podman chose when the container was made stays the same, but for those of --publish-all."""
    if command.is_on("publish-all") and not command.has("publish"):
        return
    for port, bindings in (container["HostConfig"].get("PortBindings") or {}).items():
        number, _, protocol = port.partition("/")
        for binding in bindings or ():
            made = {
                "container_port": int(number),
                "host_port": int(binding["HostPort"]),
                "host_ip": binding.get("HostIp") or "",
                "protocol": protocol or "tcp",
            }
            yield {name: value for name, value in made.items() if value}


def _exposed(command: CreateCommand) -> dict[str, str]:
    made: dict[str, str] = {}
    for each in command.values("expose"):
        ports, _, protocol = each.partition("/")
        first, _, last = ports.partition("-")
        for number in range(int(first), int(last or first) + 1):
            made[str(number)] = protocol or "tcp"
    return made
