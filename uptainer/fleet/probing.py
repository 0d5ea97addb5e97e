"""Health, host by host: what each workload's own check and its policy's probes say now, and when one turns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from uptainer.core.clock import utc_now
from uptainer.core.enums import ContainerStatus, Health
from uptainer.core.errors import NotFoundError, UptainerError
from uptainer.fleet.policies import PolicyBook
from uptainer.fleet.updating import Opens
from uptainer.fleet.views import facts_of
from uptainer.notices.notice import Notice, workload_turned
from uptainer.policy.probes import Probe
from uptainer.runtimes.port import Runtime, WorkloadState
from uptainer.store.database import Database
from uptainer.store.repositories.containers import ContainerRepository, ContainerView
from uptainer.store.repositories.health import HealthRepository, Observation, Turn
from uptainer.store.repositories.notices import NoticeRepository
from uptainer.store.repositories.updates import UpdateRepository
from uptainer.updates.probes import run_probe

_WELL = {Health.HEALTHY, Health.NONE}
_STOPPED_BY_SIGNAL = {130, 137, 143}
"""How a container ends that was told to stop: by SIGINT, SIGKILL or SIGTERM."""


@dataclass(frozen=True, slots=True)
class HealthReport:
    """One host's round. `turned` are sentences about those whose health is another one than before."""

    host: str
    containers: int
    unhealthy: int
    turned: tuple[str, ...]


def probe_host(database: Database, host: str, opens: Opens) -> HealthReport:
    """Probe every workload of one host, but for those that an update is replacing at this moment.

    Raises:
        UptainerError: the host did not answer; its workloads are recorded as unknown first.
    """
    with database.session() as session:
        busy = {update.container_id for update in UpdateRepository(session).under_way()}
        views = [
            view
            for view in ContainerRepository(session).listing(host=host)
            if view.container.id not in busy and not view.container.details.get("role")
        ]
        book = PolicyBook.load(session)
        probes = {view.container.id: book.policy_of(view).policy.probes for view in views}
    try:
        with opens(host) as runtime:
            seen = [_look(view, probes[view.container.id], runtime) for view in views]
    except UptainerError as error:
        unknown = [Observation(view.container.id, Health.UNKNOWN, str(error)) for view in views]
        _record(database, host, views, unknown)
        raise
    return _record(database, host, views, seen)


def _look(view: ContainerView, probes: Sequence[Probe], runtime: Runtime) -> Observation:
    container = view.container
    try:
        state = runtime.state(container.key)
    except NotFoundError:
        return Observation(container.id, Health.UNKNOWN, "it is not there any more")
    if state.status is not ContainerStatus.RUNNING:
        return Observation(container.id, _of_stopped(state), f"it is {state.status}")
    results = [
        run_probe(probe, runtime, container.key, state=state, ports=facts_of(view).ports) for probe in probes
    ]
    said: list[Mapping[str, object]] = [{"passed": each.passed, "text": each.text} for each in results]
    failed = [each.text for each in results if not each.passed]
    if failed:
        return Observation(container.id, Health.UNHEALTHY, "; ".join(failed), tuple(said))
    health = Health.HEALTHY if results and state.health is Health.NONE else state.health
    return Observation(container.id, health, _words(health, state), tuple(said))


def _of_stopped(state: WorkloadState) -> Health:
    """A container that ended by itself with an error is not well; one that was stopped says nothing of its health."""
    if state.status in {ContainerStatus.DEAD, ContainerStatus.RESTARTING}:
        return Health.UNHEALTHY
    said_nothing = state.exit_code in {0, None} or state.exit_code in _STOPPED_BY_SIGNAL
    return Health.UNKNOWN if said_nothing else Health.UNHEALTHY


def _words(health: Health, state: WorkloadState) -> str:
    if health is Health.UNHEALTHY:
        return state.health_log.strip() or "its health check fails"
    return "it runs, and has no health check" if health is Health.NONE else f"it is {health}"


def _record(
    database: Database, host: str, views: Sequence[ContainerView], seen: Sequence[Observation]
) -> HealthReport:
    by_id = {view.container.id: view for view in views}
    now = utc_now()
    with database.session() as session:
        turns = [turn for turn in HealthRepository(session).observe(seen, now) if _counts(turn)]
        for turn in turns:
            NoticeRepository(session).put(_notice(turn, by_id[turn.container_id], now))
    return HealthReport(
        host,
        len(seen),
        sum(each.status is Health.UNHEALTHY for each in seen),
        tuple(f"{by_id[turn.container_id].address} is {turn.after}: {turn.reason}" for turn in turns),
    )


def _counts(turn: Turn) -> bool:
    """Told are turns from well to unhealthy and back, and a first look that finds it unhealthy, once each: a start or
    a host that was away in between is no news.
    """
    if turn.after is Health.UNHEALTHY:
        return turn.known is not Health.UNHEALTHY
    return turn.known is Health.UNHEALTHY and turn.after in _WELL


def _notice(turn: Turn, view: ContainerView, now: datetime) -> Notice:
    container = view.container
    well = turn.after in _WELL
    return workload_turned(
        view.host.name, container.key, healthy=well, reason=turn.reason, at=now, project=container.project
    )
