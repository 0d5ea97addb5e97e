"""The container engines of this machine, added as hosts."""

import os
import platform
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from itertools import chain, count
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy import select

from uptainer.core.enums import ConnectionType, RuntimeType
from uptainer.core.errors import UptainerError
from uptainer.core.workloads import HostAddress
from uptainer.runtimes.connections import connect
from uptainer.store.database import Database
from uptainer.store.models import ContainerHost
from uptainer.store.repositories.hosts import HostRepository

DEFAULT_SOCKET = Path("/var/run/docker.sock")


@dataclass(frozen=True, slots=True)
class Found:
    """How many hosts the fleet has now, and what has to be said of the search."""

    hosts: int
    sentences: tuple[str, ...]


def addresses(environment: Mapping[str, str]) -> list[HostAddress]:
    """Where an engine of this machine may be: DOCKER_HOST where it is set, else Docker's own socket."""
    given = environment.get("DOCKER_HOST", "")
    if not given and not DEFAULT_SOCKET.exists():
        return []
    url = given or f"unix://{DEFAULT_SOCKET}"
    connection = ConnectionType.UNIX if urlsplit(url).scheme == "unix" else ConnectionType.TCP
    return [HostAddress(platform.node() or "localhost", RuntimeType.DOCKER, connection, url)]


def add_engines(database: Database, environment: Mapping[str, str] = os.environ) -> Found:
    """Add the engines that answer and that no host stands for yet.

    Raises:
        UnreachableError: the database did not answer.
    """
    said = [sentence for address in addresses(environment) if (sentence := _add(database, address))]
    with database.session() as session:
        hosts = len(HostRepository(session).all(enabled_only=True))
    return Found(hosts, tuple(said))


def _add(database: Database, address: HostAddress) -> str:
    """What has to be said of it; nothing of one that the fleet has, or that a person has taken out of it."""
    with database.session() as session:
        known = {url: name for name, url in session.execute(select(ContainerHost.name, ContainerHost.url))}
    if address.url in known:
        return ""
    named = replace(address, name=_free_name(address.name, set(known.values())))
    try:
        with connect(named) as runtime:
            engine = runtime.engine()
        with database.session() as session:
            HostRepository(session).add(named)
    except UptainerError as error:
        return f"The engine at {address.url} was not added: {error}"
    return f"Found Docker {engine.version} at {address.url}: added as host {named.name}."


def _free_name(wanted: str, taken: Collection[str]) -> str:
    numbered = (f"{wanted}-{number}" for number in count(2))
    return next(name for name in chain([wanted], numbered) if name not in taken)
