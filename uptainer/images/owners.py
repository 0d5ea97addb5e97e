"""Whose host is whose: where a registry's login may be taken, and which hosts were allowed by name.

Source: https://publicsuffix.org, for the names under which anybody may have a domain.
"""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Self

from publicsuffixlist import PublicSuffixList

from uptainer.core.errors import InvalidInputError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_SHARED = frozenset(
    {"amazonaws.com", "amazonaws.com.cn", "azurecr.cn", "azurecr.io", "azurecr.us", "on.aws", "pkg.dev"}
)
"""Domains of one provider in which each customer has a registry of their own, as far as the list lacks them."""
_NAME = re.compile(r"(?:\*\.)?[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*")


@dataclass(frozen=True, slots=True)
class AllowedHosts:
    """Hosts, `*.` and a domain for all below it, and networks: what a person has said that a registry may name."""

    names: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Self:
        """Read `auth.example.org`, `*.example.org`, `10.1.2.3` or `10.1.0.0/16`.

        Raises:
            InvalidInputError: one is none of these.
        """
        names: set[str] = set()
        networks: list[Network] = []
        for text in texts:
            entry = text.strip().lower()
            network = _network(entry)
            if network is not None:
                networks.append(network)
            elif _NAME.fullmatch(entry):
                names.add(entry)
            else:
                raise InvalidInputError(
                    f"{text!r} is neither a host's name nor a network: write auth.example.org, *.example.org or 10.1.0.0/16"
                )
        return cls(frozenset(names), tuple(networks))

    def has_name(self, host: str) -> bool:
        host = host.lower()
        above = host.split(".")[1:]
        domains = (f"*.{'.'.join(above[depth:])}" for depth in range(len(above)))
        literal = address_of(host)
        return (
            host in self.names
            or any(domain in self.names for domain in domains)
            or (literal is not None and self.has_address(literal))
        )

    def has_address(self, address: Address) -> bool:
        return any(address in network for network in self.networks if network.version == address.version)


NO_HOSTS = AllowedHosts()


def same_owner(one: str, other: str) -> bool:
    """Whether both hosts are of one owner: the same host, this machine twice, or below one domain that somebody has."""
    one, other = one.lower(), other.lower()
    if one == other or (is_loopback(one) and is_loopback(other)):
        return True
    if address_of(one) or address_of(other):
        return False
    mine, theirs = _domain(one), _domain(other)
    return mine is not None and mine == theirs and mine not in _SHARED


def is_loopback(host: str) -> bool:
    address = address_of(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def is_private(addresses: Sequence[Address]) -> bool:
    return any(not address.is_global for address in addresses)


def address_of(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None


def _network(text: str) -> Network | None:
    try:
        return ipaddress.ip_network(text.replace("[", "").replace("]", ""), strict=False)
    except ValueError:
        return None


def _domain(host: str) -> str | None:
    return _suffixes().privatesuffix(host)


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()
