"""Discovery of one host: what runs there, recorded; or that it did not answer, recorded as that."""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime

from uptainer.core.clock import utc_now
from uptainer.core.errors import UptainerError
from uptainer.core.workloads import ContainerFacts, EngineFacts, HostAddress
from uptainer.notices.notice import Notice, host_turned
from uptainer.runtimes.port import Runtime
from uptainer.store.database import Database
from uptainer.store.repositories.containers import ContainerRepository, Recorded
from uptainer.store.repositories.hosts import HostRepository
from uptainer.store.repositories.notices import NoticeRepository

Connect = Callable[[HostAddress], Runtime]


@dataclass(frozen=True, slots=True)
class HostReport:
    """What one discovery found. `containers` counts all that are there, running or not."""

    host: str
    containers: int
    recorded: Recorded


def discover_host(database: Database, address: HostAddress, connect: Connect) -> HostReport:
    """Ask the host what is there, and record it.

    Raises:
        UptainerError: it could not be asked. It is recorded as unreachable before this is raised, and its
            containers as unknown.
    """
    try:
        engine, containers = _ask(address, connect)
    except UptainerError as error:
        _record_silence(database, address, str(error), utc_now())
        raise
    recorded = _record_answer(database, address, engine, containers, utc_now())
    return HostReport(address.name, len(containers), recorded)


def _ask(address: HostAddress, connect: Connect) -> tuple[EngineFacts, Sequence[ContainerFacts]]:
    with closing(connect(address)) as runtime:
        return runtime.engine(), runtime.containers()


def _record_silence(database: Database, address: HostAddress, reason: str, now: datetime) -> None:
    with database.session() as session:
        hosts = HostRepository(session)
        host = hosts.by_name(address.name)
        turned = host.reachable is not False
        hosts.mark_unreachable(host.id, reason, now)
        if turned:
            _tell(
                NoticeRepository(session), host_turned(address.name, reachable=False, reason=reason, at=now)
            )


def _record_answer(
    database: Database,
    address: HostAddress,
    engine: EngineFacts,
    containers: Sequence[ContainerFacts],
    now: datetime,
) -> Recorded:
    with database.session() as session:
        hosts = HostRepository(session)
        host = hosts.by_name(address.name)
        if host.reachable is False:
            _tell(NoticeRepository(session), host_turned(address.name, reachable=True, reason="", at=now))
        hosts.mark_seen(host.id, engine, now)
        return ContainerRepository(session).record(host.id, containers, now)


def _tell(notices: NoticeRepository, notice: Notice) -> None:
    notices.put(notice)
