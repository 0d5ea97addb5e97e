"""Where a registry is reached, and which other addresses it may send us to."""

import asyncio
import ipaddress
import socket
from dataclasses import dataclass

import httpx

from uptainer.core.errors import ProtocolError
from uptainer.core.reference import DOCKER_HUB

HUB_API = "registry-1.docker.io"
_HUB_NAMES = frozenset({DOCKER_HUB, "index.docker.io", HUB_API, "registry.hub.docker.com"})


def canonical_registry(name: str) -> str:
    """The registry that a name in a configuration means: Docker Hub has several, written with and without a path."""
    host = name.strip().lower().removeprefix("https://").removeprefix("http://").partition("/")[0]
    return DOCKER_HUB if host in _HUB_NAMES else host


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One registry's address. Plain HTTP is for loopback, as in Docker, and for hosts that were named as insecure."""

    registry: str
    url: httpx.URL

    @classmethod
    def of(cls, registry: str, insecure: frozenset[str] = frozenset()) -> "Endpoint":
        host = HUB_API if registry == DOCKER_HUB else registry
        scheme = "http" if registry in insecure or is_loopback(httpx.URL(f"//{host}").host) else "https"
        return cls(registry, httpx.URL(f"{scheme}://{host}"))


def is_loopback(host: str) -> bool:
    address = _literal(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def same_origin(one: httpx.URL, other: httpx.URL) -> bool:
    return (one.scheme, one.host, _port(one)) == (other.scheme, other.host, _port(other))


async def require_safe_target(origin: httpx.URL, target: httpx.URL, what: str) -> None:
    """Refuse an address that a registry has no business sending us to; `what` names it in the message.

    Neither from HTTPS to plain HTTP, nor, for a registry that is not itself in a private network, to an address in
    one: that is how a registry on the internet would reach what only this machine can.

    Raises:
        ProtocolError: it is such an address, or none at all.
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
    if await _is_private(target.host) and not await _is_private(origin.host):
        raise ProtocolError(
            f"{origin.host} names {_shown(target)} as {what}, which is in a private network: refused"
        )


async def _is_private(host: str) -> bool:
    """A name that cannot be resolved here is not private: a proxy may know it, and TLS proves who answers."""
    if is_loopback(host):
        return True
    literal = _literal(host)
    if literal is not None:
        return not literal.is_global
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return any(
        not ipaddress.ip_address(str(sockaddr[0]).partition("%")[0]).is_global for *_, sockaddr in found
    )


def _literal(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None


def _port(url: httpx.URL) -> int:
    return url.port or (443 if url.scheme == "https" else 80)


def _shown(url: httpx.URL) -> str:
    """An address without its query, which may hold a signature, and without a password."""
    return f"{url.scheme}://{url.netloc.rpartition(b'@')[2].decode('ascii', 'replace')}{url.path}"[:200]
