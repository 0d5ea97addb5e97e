"""The networks of a container as it asked for them: aliases, addresses, links and options, without what the engine gave."""

from collections.abc import Mapping
from ipaddress import IPv4Address
from typing import Any

from uptainer.runtimes.engine.client import version_tuple
from uptainer.runtimes.engine.names import short

Json = Mapping[str, Any]

OWN_STACK = frozenset({"host", "none"})
SEVERAL_AT_CREATION = (1, 44)
MAC_FORGOTTEN = (1, 52)
_BRIDGE = "bridge"
_NOT_SET = (None, "", 0)
"""Empty options are something that was asked for: the engine shows them as it got them."""


def own_endpoints(container: Json, api_version: str) -> dict[str, dict[str, Any]]:
    """For each network, what the user asked for on it. Empty where the container has no network of its own."""
    if not has_networks(container):
        return {}
    networks = container["NetworkSettings"].get("Networks") or {}
    return {
        name: _own_endpoint(endpoint, container["Id"], _chosen_mac(container, name, endpoint, api_version))
        for name, endpoint in networks.items()
    }


def has_networks(container: Json) -> bool:
    mode = container["HostConfig"].get("NetworkMode") or ""
    return mode not in OWN_STACK and not mode.startswith("container:")


def first_network(container: Json) -> str:
    """The name of the network that the engine connects at creation."""
    mode = container["HostConfig"].get("NetworkMode") or "default"
    if mode == "default":
        return _BRIDGE
    for name, endpoint in (container["NetworkSettings"].get("Networks") or {}).items():
        if mode in (name, endpoint.get("NetworkID")):
            return str(name)
    return str(mode)


def takes_all_at_creation(api_version: str) -> bool:
    """From API 1.44 creation takes every network, each with its MAC address; connecting ignores that until 1.54."""
    return version_tuple(api_version) >= SEVERAL_AT_CREATION


def _own_endpoint(endpoint: Json, container_id: str, mac: str | None) -> dict[str, Any]:
    """The engine adds the short id to the aliases by itself (until API 1.45)."""
    aliases = [each for each in endpoint.get("Aliases") or () if each != short(container_id)]
    own = {
        "IPAMConfig": endpoint.get("IPAMConfig"),
        "Links": endpoint.get("Links"),
        "Aliases": aliases or None,
        "DriverOpts": endpoint.get("DriverOpts"),
        "GwPriority": endpoint.get("GwPriority"),
        "MacAddress": mac,
    }
    return {name: value for name, value in own.items() if value not in _NOT_SET}


def _chosen_mac(container: Json, network: str, endpoint: Json, api_version: str) -> str | None:
    """The MAC address that the user asked for on a network, as far as the engine tells.

    Before API 1.44 there is one, in `Config`, which the new container gets there. Until 1.52 `Config` still has that of
    the first network. For the rest an address that does not follow from the IPv4 address is taken for a chosen one.
    """
    version = version_tuple(api_version)
    if version < SEVERAL_AT_CREATION:
        return None
    if version < MAC_FORGOTTEN and network == first_network(container):
        return container["Config"].get("MacAddress") or None
    return None if _is_derived(endpoint) else endpoint.get("MacAddress")


def _is_derived(endpoint: Json) -> bool:
    """A MAC address that nobody chose is 02:42 and the four bytes of the IPv4 address."""
    mac, address = endpoint.get("MacAddress") or "", endpoint.get("IPAddress") or ""
    if not mac or not address:
        return not mac
    derived = bytes((0x02, 0x42)) + IPv4Address(address).packed
    return str(mac).lower() == derived.hex(":")
