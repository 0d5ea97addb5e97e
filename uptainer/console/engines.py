"""The container engines of this machine, added as hosts."""

import os
import platform
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from itertools import chain, count
from urllib.parse import urlsplit

from sqlalchemy import select

from uptainer.core.enums import RuntimeType
from uptainer.core.errors import UptainerError
from uptainer.core.workloads import HostAddress
from uptainer.runtimes.addresses import DEFAULT_TIMEOUT
from uptainer.runtimes.machine import FoundEngine, find_engines
from uptainer.store.database import Database
from uptainer.store.models import ContainerHost
from uptainer.store.repositories.hosts import HostRepository

_THIS_MACHINE = ("docker", "local")
"""What the search calls the machine's own engine, which is better known by the machine's name."""
_SIGNS = re.compile(r"[^A-Za-z0-9_.-]+")


@dataclass(frozen=True, slots=True)
class Found:
    """How many hosts the fleet has now, and what has to be said of the search."""

    hosts: int
    sentences: tuple[str, ...]


def add_engines(database: Database, environment: Mapping[str, str] = os.environ) -> Found:
    """Add the engines that answer and that no host stands for yet; and say what was found that is not managed.

    Raises:
        UnreachableError: the database did not answer.
    """
    said = [sentence for engine in find_engines(environment) if (sentence := _add(database, engine))]
    with database.session() as session:
        hosts = len(HostRepository(session).all(enabled_only=True))
    return Found(hosts, tuple(said))


def _add(database: Database, engine: FoundEngine) -> str:
    """What has to be said of it; nothing of one that the fleet has, or that a person has taken out of it."""
    url = engine.address.url
    with database.session() as session:
        known = {url: name for name, url in session.execute(select(ContainerHost.name, ContainerHost.url))}
    if url in known:
        return ""
    if not engine.manageable:
        return f"The engine at {url} was not added: {engine.reason}"
    name = _free_name(_name(engine.address), set(known.values()))
    named = replace(engine.address, name=name, timeout=DEFAULT_TIMEOUT)
    try:
        with database.session() as session:
            HostRepository(session).add(named)
    except UptainerError as error:
        return f"The engine at {url} was not added: {error}"
    return f"Found {engine.reason}: added as host {named.name}."


def _name(address: HostAddress) -> str:
    """A machine's own engine is known by the machine; a cluster, and an engine elsewhere, by the name of its context."""
    elsewhere = urlsplit(address.url).hostname
    if elsewhere is None and address.runtime is not RuntimeType.KUBERNETES:
        machine = platform.node() or "localhost"
        return machine if address.name in _THIS_MACHINE else f"{machine}-{address.name}"
    wanted = elsewhere if elsewhere and address.name in _THIS_MACHINE else address.name
    return _SIGNS.sub("-", wanted).strip("-.") or address.runtime.value


def _free_name(wanted: str, taken: Collection[str]) -> str:
    numbered = (f"{wanted}-{number}" for number in count(2))
    return next(name for name in chain([wanted], numbered) if name not in taken)
