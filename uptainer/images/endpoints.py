"""Where a registry is reached, and which other addresses it may send us to."""

import asyncio
import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass, replace

import httpx

from uptainer.core.errors import ProtocolError, RefusedError
from uptainer.core.reference import DOCKER_HUB
from uptainer.images.owners import (
    NO_HOSTS,
    Address,
    AllowedHosts,
    address_of,
    is_loopback,
    is_private,
    same_owner,
)

HUB_API = "registry-1.docker.io"
_HUB_NAMES = frozenset({DOCKER_HUB, "index.docker.io", HUB_API, "registry.hub.docker.com"})


def canonical_registry(name: str) -> str:
    """The registry that a name in a configuration means: Docker Hub has several, written with and without a path."""
    host = name.strip().lower().removeprefix("https://").removeprefix("http://").partition("/")[0]
    return DOCKER_HUB if host in _HUB_NAMES else host


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One registry's address, and the other hosts that it was allowed to name.

    `overheard`: it is asked in plain HTTP on no more than an engine's word, so that no login is shown to it.
    """

    registry: str
    url: httpx.URL
    allowed: AllowedHosts = NO_HOSTS
    overheard: bool = False

    @classmethod
    def of(
        cls,
        registry: str,
        *,
        plain: bool = False,
        certified: bool = False,
        allowed: AllowedHosts = NO_HOSTS,
    ) -> "Endpoint":
        """Plain HTTP is for loopback, as in Docker, and where a person has said so; never where there are certificates."""
        host = HUB_API if registry == DOCKER_HUB else registry
        name = read_address(f"//{host}", f"{registry}, a registry's name,").host
        clear = not certified and (plain or is_loopback(name))
        return cls(registry, httpx.URL(f"{'http' if clear else 'https'}://{host}"), allowed)

    @property
    def is_encrypted(self) -> bool:
        return self.url.scheme == "https"

    def in_clear(self) -> "Endpoint":
        """The same registry without TLS, for who asks as nobody."""
        return replace(self, url=self.url.copy_with(scheme="http"), overheard=True)


def read_address(text: str, what: str, here: httpx.URL | None = None) -> httpx.URL:
    """The address as it is written, or as it reads `here`, with a name that can be looked up; `what` names it in the
    message.

    Raises:
        ProtocolError: it is none.
    """
    try:
        there = here.join(text) if here else httpx.URL(text)
        _ = there.host, there.raw_host.decode().encode("idna")
    except (httpx.InvalidURL, UnicodeError) as error:
        raise ProtocolError(f"{what} is no address") from error
    return there


def same_origin(one: httpx.URL, other: httpx.URL) -> bool:
    return (one.scheme, one.host, _port(one)) == (other.scheme, other.host, _port(other))


async def require_safe_target(
    origin: httpx.URL, target: httpx.URL, what: str, allowed: AllowedHosts = NO_HOSTS
) -> None:
    """Refuse an address that a registry has no business sending us to; `what` names it in the message.

    Neither from HTTPS to plain HTTP, nor, for a registry that is not itself in a private network, to an address in
    one that was not allowed: that is how a registry on the internet would reach what only this machine can. A name
    that stands for another address by the time it is connected to has to prove itself by its certificate all the
    same, for all that is not loopback is TLS.

    Raises:
        ProtocolError: it is no address to go to, or not encrypted.
        RefusedError: it is in a private network; the message says how to allow it.
    """
    if target.scheme not in {"http", "https"} or not target.host or target.userinfo:
        raise ProtocolError(
            f"{origin.host} names {_shown(target)} as {what}, which is not an address to go to"
        )
    if same_origin(origin, target):
        return
    if target.scheme == "http" and not (is_loopback(origin.host) and is_loopback(target.host)):
        raise ProtocolError(
            f"{origin.host} names {_shown(target)} as {what}, which is not encrypted: refused"
        )
    if allowed.has_name(target.host):
        return
    found = await _addresses(target.host)
    inside = [address for address in found if is_private([address]) and not allowed.has_address(address)]
    if inside and not is_private(await _addresses(origin.host)):
        raise RefusedError(
            f"{origin.host} names {_shown(target)} as {what}, which is in a private network: refused; "
            f"{_how_to_allow(target.host)}"
        )


def require_own_token_server(endpoint: Endpoint, realm: httpx.URL) -> None:
    """Refuse to take a login to a host that is not its registry's own.

    The registry's own are: its host, what is below the same registered domain, and what was allowed by name.

    Raises:
        RefusedError: it is another one; the message says how to allow it.
    """
    if same_owner(endpoint.url.host, realm.host) or endpoint.allowed.has_name(realm.host):
        return
    raise RefusedError(
        f"{endpoint.registry} names {_shown(realm)} as its token server, which is somebody else's host: its login is "
        f"not taken there; {_how_to_allow(realm.host)}"
    )


def require_unheard(endpoint: Endpoint) -> None:
    """Refuse to show a login where whoever is on the way can read it, and nobody has said that this may be.

    Raises:
        RefusedError: it is asked in plain HTTP because an engine asks it so; the message says what to do.
    """
    if endpoint.overheard:
        raise RefusedError(
            f"{endpoint.registry} speaks no TLS, and whoever is on the way could read its login, which is not sent: give "
            "it a certificate, or tick Plain HTTP in a Registry block for this registry"
        )


def _how_to_allow(host: str) -> str:
    return f"if it is right, put {host} under Other hosts in a Registry block for this registry"


async def _addresses(host: str) -> Sequence[Address]:
    """None for a name that cannot be resolved here: a proxy may know it, and TLS proves who answers."""
    if host == "localhost":
        return (ipaddress.IPv4Address("127.0.0.1"),)
    literal = address_of(host)
    if literal is not None:
        return (literal,)
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return ()
    return [ipaddress.ip_address(str(sockaddr[0]).partition("%")[0]) for *_, sockaddr in found]


def _port(url: httpx.URL) -> int:
    return url.port or (443 if url.scheme == "https" else 80)


def _shown(url: httpx.URL) -> str:
    """An address without its query, which may hold a signature, and without a password."""
    return f"{url.scheme}://{url.netloc.rpartition(b'@')[2].decode('ascii', 'replace')}{url.path}"[:200]
