"""Carrying one approved update out, or saying why not now; and from a host's name to its open engine."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

from uptainer.backups.store import Stores
from uptainer.core.clock import Clock
from uptainer.core.enums import RuntimeType
from uptainer.core.errors import UnreachableError, UptainerError
from uptainer.core.settings import Settings
from uptainer.core.workloads import HostAddress
from uptainer.fleet.discovery import look_again
from uptainer.fleet.readiness import find_hindrance
from uptainer.policy.settings import EffectivePolicy
from uptainer.runtimes.port import Runtime
from uptainer.store.database import Database
from uptainer.store.repositories.audit import Actor
from uptainer.store.repositories.hosts import HostRepository
from uptainer.store.repositories.identities import refuse_other
from uptainer.store.repositories.updates import UpdateRepository
from uptainer.updates.engine import apply, dry_run
from uptainer.updates.options import UpdateOptions
from uptainer.updates.run import Outcome
from uptainer.updates.steps import Plan

Connect = Callable[[HostAddress], Runtime]
Opens = Callable[[str], AbstractContextManager[Runtime]]
"""Opens the runtime of the host with this name."""


def opener(database: Database, connect: Connect) -> Opens:
    """Raises RefusedError where the engine that answers is not the one that the host stands for."""

    @contextmanager
    def opens(host: str) -> Iterator[Runtime]:
        with database.session() as session:
            row = HostRepository(session).by_name(host)
        with closing(connect(HostRepository.address(row))) as runtime:
            # Of a cluster each discovery asks: its nodes would be read here, each time.
            if row.runtime is not RuntimeType.KUBERNETES:
                refuse_other(row, runtime.engine())
            yield runtime

    return opens


def recorder(database: Database, opens: Opens) -> Opens:
    """As `opens`; what runs on the host after the work is recorded at once.

    Else the next check would speak of the container that was replaced.
    """

    @contextmanager
    def opens_and_records(host: str) -> Iterator[Runtime]:
        with opens(host) as runtime:
            try:
                yield runtime
            except UnreachableError:
                raise
            except UptainerError:
                look_again(database, host, runtime)
                raise
            look_again(database, host, runtime)

    return opens_and_records


def backups_below(settings: Settings) -> Path:
    return settings.data_dir / "backups"


def carry_out(
    database: Database,
    update_id: int,
    opens: Opens,
    settings: Settings,
    stores: Stores,
    *,
    registry_auth: Mapping[str, str] | None = None,
    clock: Clock | None = None,
) -> Outcome:
    """Apply an approved update, or go on with one that was left in the middle; see `uptainer.updates.engine.apply`.

    Its policy and its window are asked at each try, and once more when all is prepared: a pull may take hours.
    """
    host, options = _host_and_options(database, update_id, settings)
    timing = clock or Clock()
    with recorder(database, opens)(host) as runtime:
        return apply(
            update_id,
            database,
            runtime,
            options,
            stores,
            clock=timing,
            registry_auth=registry_auth,
            ask_hindrance=lambda: find_hindrance(database, update_id, timing.now()),
        )


def override_window(database: Database, update_id: int, reason: str, actor: Actor) -> None:
    """An emergency: an approved update may begin now, whatever its maintenance windows say.

    Raises:
        InvalidInputError: no reason is given.
        RefusedError: it is not approved.
    """
    with database.session() as session:
        UpdateRepository(session).override_window(update_id, reason, actor)


def plan_update(database: Database, update_id: int, opens: Opens, settings: Settings, stores: Stores) -> Plan:
    """Every step that the update would take, and nothing done."""
    host, options = _host_and_options(database, update_id, settings)
    with opens(host) as runtime:
        return dry_run(update_id, database, runtime, options, stores)


def _host_and_options(database: Database, update_id: int, settings: Settings) -> tuple[str, UpdateOptions]:
    with database.session() as session:
        update = UpdateRepository(session).by_id(update_id)
        policy = EffectivePolicy.model_validate(update.policy)
    options = UpdateOptions.of(
        policy,
        host_slots=settings.max_updates_per_host,
        server_slots=settings.max_updates_per_server,
    )
    return update.host_name, options
