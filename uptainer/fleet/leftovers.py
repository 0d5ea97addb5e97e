"""What updates left on an engine for the way back, and is no longer kept: old containers, and the images they ran."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Select, cast, func, select
from sqlalchemy.dialects.postgresql import JSONPATH
from sqlalchemy.orm import Session

from uptainer.core.enums import UpdateStatus
from uptainer.core.errors import BusyError, NotFoundError, UptainerError
from uptainer.core.workloads import ContainerFacts
from uptainer.fleet.proving import clear_trials
from uptainer.fleet.updating import Opens
from uptainer.policy.settings import EffectivePolicy
from uptainer.runtimes.port import Runtime
from uptainer.store.database import Database
from uptainer.store.models import Container, ContainerHost, Update
from uptainer.store.models.updates import OPEN
from uptainer.store.repositories.audit import SYSTEM, AuditRepository
from uptainer.updates.locks import claim_workload

Columns = TypeVar("Columns", bound=tuple[Any, ...])

_OF_DEPENDANTS = cast("$.document.dependants[*].old_id", JSONPATH)
"""In the plan of an update: the containers that were made again because of it."""


@dataclass(frozen=True, slots=True)
class HostPruned:
    """One host's round: what was removed, and what could not be, each with its reason."""

    host: str
    images: int
    failures: tuple[str, ...]
    containers: int = 0


@dataclass(frozen=True, slots=True)
class _KeptUntil:
    workload: str
    until: datetime


@dataclass(frozen=True, slots=True)
class _Round:
    """One host's, with what could not be done so far."""

    database: Database
    host: str
    runtime: Runtime
    failures: list[str] = field(default_factory=list)


def prune_host(database: Database, host: str, opens: Opens, now: datetime) -> HostPruned:
    """Remove from one engine the old containers and the images that updates replaced, when their policy no longer
    keeps them.

    Only what Uptainer itself set aside or replaced is ever removed; what something still uses stays.

    Raises:
        UnreachableError: the engine did not answer.
    """
    with opens(host) as runtime:
        on = _Round(database, host, runtime)
        clear_trials(database, host, runtime)
        containers = _prune_containers(on, now)
        with database.session() as session:
            due = _images_due(session, host, now)
        images = sum(_remove_image(on, each) for each in due)
    return HostPruned(host, images, tuple(on.failures), containers)


def _prune_containers(on: _Round, now: datetime) -> int:
    old = [each for each in on.runtime.containers() if each.details.get("role") == "old"]
    if not old:
        return 0
    with on.database.session() as session:
        kept = _kept_until(session, on.host)
    due = [each for each in old if each.runtime_id in kept and kept[each.runtime_id].until <= now]
    return sum(_remove_container(on, kept[each.runtime_id].workload, each) for each in due)


def _kept_until(session: Session, host: str) -> Mapping[str, _KeptUntil]:
    """The containers that successful updates set aside, by the engine's id."""
    dependants = func.jsonb_path_query_array(Update.plan, _OF_DEPENDANTS)
    rows = session.execute(
        _succeeded_on(
            host,
            select(
                Update.workload,
                Update.plan["runtime_id"].astext,
                dependants,
                Update.policy,
                Update.finished_at,
            ),
        )
    )
    found: dict[str, _KeptUntil] = {}
    for workload, own, others, policy, finished in rows:
        until = finished + EffectivePolicy.model_validate(policy).keep_old_container
        found |= {each: _KeptUntil(workload, until) for each in (own, *others) if each}
    return found


def _remove_container(on: _Round, workload: str, container: ContainerFacts) -> bool:
    """One that somebody started again is refused by the engine, and stays."""
    try:
        with claim_workload(on.database, on.host, workload):
            on.runtime.remove(container.key)
    except (BusyError, NotFoundError):
        return False
    except UptainerError as error:
        on.failures.append(f"{container.key}: {error}")
        return False
    details = {"container": container.key, "id": container.runtime_id}
    with on.database.session() as session:
        AuditRepository(session).append(SYSTEM, "container.pruned", f"workload/{on.host}/{workload}", details)
    return True


def _remove_image(on: _Round, image_id: str) -> bool:
    """Counted is what was there."""
    try:
        on.runtime.image(image_id)
        return on.runtime.remove_image(image_id)
    except NotFoundError:
        return False
    except UptainerError as error:
        on.failures.append(f"{image_id[:19]}: {error}")
        return False


def _images_due(session: Session, host: str, now: datetime) -> Sequence[str]:
    """Images that a successful update replaced longer ago than its policy keeps them, and that nothing has or wants."""
    columns = select(Update.from_image_id, Update.policy, Update.finished_at)
    kept_until: dict[str, datetime] = {}
    for image_id, policy, finished in session.execute(_succeeded_on(host, columns)).tuples():
        until = (finished or now) + EffectivePolicy.model_validate(policy).keep_old_image
        kept_until[image_id] = max(until, kept_until.get(image_id, until))
    in_use = {
        *session.scalars(select(Container.image_id).where(Container.vanished_at.is_(None))),
        *session.scalars(select(Update.to_digest).where(OPEN)),
    }
    return [image_id for image_id, until in kept_until.items() if until <= now and image_id not in in_use]


def _succeeded_on(host: str, columns: Select[Columns]) -> Select[Columns]:
    return (
        columns.join(Container, Container.id == Update.container_id)
        .join(ContainerHost, ContainerHost.id == Container.host_id)
        .where(ContainerHost.name == host, Update.status == UpdateStatus.SUCCEEDED)
    )
