"""Which registries the fleet's engines ask without TLS, or without looking at who answers, and what follows for logins.

An engine speaks for itself: what it is told of a registry counts for what it runs, and for nobody else's images.
"""

import ipaddress
import socket
from collections.abc import Iterable

import httpx
from sqlalchemy import select
from sqlalchemy.orm import Session

from uptainer.images.owners import Address, Network, address_of, is_loopback
from uptainer.store.bulk import any_of
from uptainer.store.database import Database
from uptainer.store.models import Container, ContainerHost, Update


def asked_plainly(session: Session, containers: Iterable[int]) -> frozenset[str]:
    """Registries that every engine which runs one of these containers asks so; ranges of addresses are not expanded."""
    hosts = select(Container.host_id).where(any_of(Container.id, list(containers)))
    engines = session.scalars(select(ContainerHost.engine).where(ContainerHost.id.in_(hosts)))
    named = [frozenset(engine.get("insecure_registries", ())) for engine in engines]
    return frozenset.intersection(*named) if named else frozenset()


def is_overheard(database: Database, update_id: int, registry: str) -> bool:
    """Whether the engine that an update is carried out on would ask this registry so, and show anybody its login."""
    of_host = (
        select(ContainerHost.engine)
        .join(Container, Container.host_id == ContainerHost.id)
        .join(Update, Update.container_id == Container.id)
        .where(Update.id == update_id)
    )
    with database.session() as session:
        engine = session.scalars(of_host).one_or_none() or {}
    return is_insecure(engine.get("insecure_registries", ()), registry)


def is_insecure(named: Iterable[str], registry: str) -> bool:
    """By its name, as a part of it or below a domain (Podman), or by an address of it in a range that is named (Docker).

    What is on the engine's own machine is heard by nobody.
    """
    host = httpx.URL(f"//{registry}").host
    if is_loopback(host):
        return False
    named = frozenset(named)
    places = {each.partition("/")[0] for each in named}
    if registry in places or any(each.startswith("*.") and host.endswith(each[1:]) for each in places):
        return True
    ranges = [network for each in named if (network := _range(each)) is not None]
    return any(address in each for each in ranges for address in _addresses(host))


def _range(text: str) -> Network | None:
    try:
        return ipaddress.ip_network(text) if "/" in text else None
    except ValueError:
        return None


def _addresses(host: str) -> list[Address]:
    """As this machine resolves it. A name that it does not know is in no range, as for an engine."""
    literal = address_of(host)
    if literal is not None:
        return [literal]
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return [ipaddress.ip_address(str(sockaddr[0]).partition("%")[0]) for *_, sockaddr in found]
