"""Discovery of one host: what runs there, recorded; or that it did not answer, recorded as that."""

import logging
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from uptainer.core.clock import utc_now
from uptainer.core.errors import RefusedError, UptainerError
from uptainer.core.workloads import ContainerFacts, EngineFacts, HostAddress
from uptainer.notices.notice import host_turned
from uptainer.runtimes.port import Runtime
from uptainer.store.database import Database
from uptainer.store.models import ContainerHost
from uptainer.store.repositories.containers import ContainerRepository, Recorded
from uptainer.store.repositories.hosts import HostRepository
from uptainer.store.repositories.notices import NoticeRepository

Connect = Callable[[HostAddress], Runtime]
_log = logging.getLogger(__name__)
_NOTHING = Recorded((), (), ())


@dataclass(frozen=True, slots=True)
class HostReport:
    """What one discovery found. `containers` counts all that are there, running or not."""

    host: str
    containers: int
    recorded: Recorded


def discover_host(database: Database, address: HostAddress, connect: Connect) -> HostReport:
    """Ask the host what is there, and record it.

    Raises:
        UptainerError: it could not be asked, or is the engine of another host. It is recorded as unreachable before
            this is raised, and its containers as unknown.
    """
    asked_at = utc_now()
    try:
        with closing(connect(address)) as runtime:
            engine, containers = runtime.engine(), runtime.containers()
    except UptainerError as error:
        _record_silence(database, address, str(error), asked_at)
        raise
    try:
        recorded = _record_answer(database, address, engine, containers, asked_at)
    except RefusedError as error:
        _record_silence(database, address, str(error), asked_at)
        raise
    return HostReport(address.name, len(containers), recorded)


def in_turn(hosts: Sequence[ContainerHost]) -> Sequence[ContainerHost]:
    """Those that answered last time, or were never asked, before those that did not and may hang again."""
    return sorted(hosts, key=lambda host: host.reachable is False)


def look_again(database: Database, host: str, runtime: Runtime) -> None:
    """Record what runs there now, after it was changed through `runtime`; where that fails, the next round does it."""
    asked_at = utc_now()
    try:
        _record_answer(database, runtime.address, runtime.engine(), runtime.containers(), asked_at)
    except UptainerError as error:
        _log.warning("%s was not read again: %s", host, error)


def _record_silence(database: Database, address: HostAddress, reason: str, asked_at: datetime) -> None:
    with database.session() as session:
        hosts = HostRepository(session)
        host = hosts.by_name(address.name)
        if _is_outdated(session, host, address, asked_at):
            return
        turned = host.reachable is not False
        hosts.mark_unreachable(host.id, reason, asked_at)
        if turned:
            NoticeRepository(session).put(host_turned(host.name, reachable=False, reason=reason, at=asked_at))


def _record_answer(
    database: Database,
    address: HostAddress,
    engine: EngineFacts,
    containers: Sequence[ContainerFacts],
    asked_at: datetime,
) -> Recorded:
    with database.session() as session:
        hosts = HostRepository(session)
        host = hosts.by_name(address.name)
        if _is_outdated(session, host, address, asked_at):
            return _NOTHING
        if host.reachable is False:
            NoticeRepository(session).put(host_turned(host.name, reachable=True, reason="", at=asked_at))
        hosts.mark_seen(host.id, engine, asked_at)
        return ContainerRepository(session).record(host.id, containers, asked_at)


def _is_outdated(session: Session, host: ContainerHost, asked: HostAddress, asked_at: datetime) -> bool:
    """Whether somebody asked later and was answered sooner, or the host has another address by now. Nobody else records
    this host before the end of this.

    What is said to have been seen later than now was not: a clock was wrong, and would else be believed for long.
    """
    session.refresh(host, with_for_update=True)
    if host.url != asked.url:
        return True
    return host.last_seen_at is not None and asked_at < host.last_seen_at <= utc_now()
