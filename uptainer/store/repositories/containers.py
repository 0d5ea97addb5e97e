"""Containers as discovery found them, and as people ask for them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, or_, select, update
from sqlalchemy.orm import Session, contains_eager

from uptainer.core.enums import ContainerStatus, Health
from uptainer.core.errors import InvalidInputError, NotFoundError
from uptainer.core.workloads import ContainerFacts
from uptainer.store.bulk import any_of, upsert_rows
from uptainer.store.documents import dump, load
from uptainer.store.models import Container, ContainerHost, Image, UpdateCheck
from uptainer.store.repositories.images import ImageRepository, Seen, repository_of, seen_image

_COMPARED = (
    "runtime_id",
    "image_reference",
    "image_id",
    "status",
    "health",
    "restart_count",
    "labels",
    "mounts",
    "networks",
    "ports",
)


@dataclass(frozen=True, slots=True)
class Recorded:
    """Keys of the containers that are new (or back again), different from the last time, and gone."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    vanished: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ContainerView:
    """A container with its host, its image and what the last lookup said; None where there was none yet."""

    container: Container
    host: ContainerHost
    image: Image | None
    check: UpdateCheck | None

    @property
    def address(self) -> str:
        return f"{self.host.name}/{self.container.key}"


class ContainerRepository:
    def __init__(self, session: Session) -> None:
        self._session = session

    def record(self, host_id: int, facts: Sequence[ContainerFacts], now: datetime) -> Recorded:
        """Make the tables say what the host says now. `facts` are all of the host's containers, never a part."""
        known = self._known(host_id)
        kept = {each.key: row.image_pk for each in facts if (row := _same_image(each, known))}
        seen = {each.key: _image_of(each) for each in facts if each.key not in kept}
        images = ImageRepository(self._session).record_seen(list(seen.values()), now)
        kept |= {key: images[image.key] for key, image in seen.items()}
        rows = [_row(host_id, each, kept[each.key], now) for each in facts]
        if rows:
            keep = ("first_seen_at",)
            self._session.execute(upsert_rows(Container, rows, key=("host_id", "key"), keep=keep))
        given = {row["key"] for row in rows}
        vanished = tuple(key for key, row in known.items() if key not in given and row.vanished_at is None)
        self._mark_vanished([known[key].id for key in vanished], now)
        return _difference(rows, known, vanished)

    def listing(
        self,
        *,
        host: str | None = None,
        project: str | None = None,
        pattern: str | None = None,
        with_vanished: bool = False,
    ) -> Sequence[ContainerView]:
        """By host and name. `pattern` is a part of the name, or a glob with `*` and `?`."""
        wanted = _views(with_vanished=with_vanished)
        if host is not None:
            wanted = wanted.where(ContainerHost.name == host)
        if project is not None:
            wanted = wanted.where(Container.project == project)
        if pattern is not None:
            wanted = wanted.where(Container.name.ilike(_like(pattern), escape="\\"))
        return self._fetch(wanted)

    def running(self, repository: str) -> Sequence[ContainerView]:
        """Those whose image is of this repository, as `docker.io/library/nginx`, on all hosts."""
        return self._fetch(_views(with_vanished=False).where(Container.repository == repository))

    def running_any(self, repositories: Sequence[str]) -> frozenset[str]:
        """Those of these repositories that a container runs, by one look at an index."""
        found = self._session.scalars(
            select(Container.repository)
            .where(any_of(Container.repository, repositories), Container.vanished_at.is_(None))
            .distinct()
        )
        return frozenset(each for each in found if each is not None)

    def by_ids(self, ids: Sequence[int], *, with_removed: bool = False) -> Sequence[ContainerView]:
        """`with_removed`, also those whose host was taken out of the fleet."""
        wanted = _views(with_vanished=True, with_removed=with_removed)
        return self._fetch(wanted.where(any_of(Container.id, ids)))

    def by_address(self, address: str, *, with_vanished: bool = False) -> ContainerView:
        """`host/key`, or a key that only one host has; a workload's key stands for its only container.

        Raises:
            NotFoundError: there is none; the message names what is spelt like it.
            InvalidInputError: there are several; the message names them.
        """
        host, slash, key = address.partition("/")
        wanted = _views(with_vanished=with_vanished)
        here = and_(ContainerHost.name == host, _called(key)) if slash else _called(address)
        views = self._fetch(wanted.where(here)) or self._fetch(wanted.where(_called(address)))
        if not views:
            raise NotFoundError(f"there is no container {address!r}{self._suggestion(address)}")
        if len(views) > 1:
            names = ", ".join(view.address for view in views)
            raise InvalidInputError(f"{address!r} stands for several containers: say which of {names}")
        return views[0]

    def _known(self, host_id: int) -> Mapping[str, Row[Any]]:
        columns = (getattr(Container, name) for name in _COMPARED)
        rows = self._session.execute(
            select(Container.id, Container.key, Container.vanished_at, Container.image_pk, *columns).where(
                Container.host_id == host_id
            )
        )
        return {row.key: row for row in rows}

    def _mark_vanished(self, ids: Sequence[int], now: datetime) -> None:
        if not ids:
            return
        self._session.execute(
            update(Container)
            .where(any_of(Container.id, ids))
            .values(status=ContainerStatus.VANISHED, health=Health.UNKNOWN, vanished_at=now)
            .execution_options(synchronize_session=False)
        )

    def _fetch(self, wanted: Select[Any]) -> Sequence[ContainerView]:
        rows = self._session.execute(wanted.execution_options(populate_existing=True))
        return [ContainerView(row[0], row[0].host, row[0].image, row[1]) for row in rows]

    def _suggestion(self, address: str) -> str:
        names = self._session.execute(
            select(ContainerHost.name, Container.key)
            .join(Container.host)
            .where(Container.vanished_at.is_(None), ContainerHost.removed_at.is_(None))
        )
        spelt = {form: f"{host}/{key}" for host, key in names for form in (key, f"{host}/{key}")}
        near = dict.fromkeys(spelt[each] for each in get_close_matches(address, spelt, n=3))
        return f"; did you mean {' or '.join(near)}?" if near else ": see `uptainer containers`"


def _called(key: str) -> ColumnElement[bool]:
    return or_(Container.key == key, Container.workload == key)


def _views(*, with_vanished: bool, with_removed: bool = False) -> Select[Any]:
    wanted = (
        select(Container, UpdateCheck)
        .join(Container.host)
        .outerjoin(Container.image)
        .outerjoin(UpdateCheck, and_(UpdateCheck.container_id == Container.id, UpdateCheck.current))
        .options(contains_eager(Container.host), contains_eager(Container.image))
        .order_by(ContainerHost.name, Container.key)
    )
    if not with_removed:
        wanted = wanted.where(ContainerHost.removed_at.is_(None))
    return wanted if with_vanished else wanted.where(Container.vanished_at.is_(None))


def _like(pattern: str) -> str:
    escaped = pattern.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    if "*" in pattern or "?" in pattern:
        return escaped.replace("*", "%").replace("?", "_")
    return f"%{escaped}%"


def _same_image(facts: ContainerFacts, known: Mapping[str, Row[Any]]) -> Row[Any] | None:
    """What was known of its image before its engine had none of it any more: a container outlives its image's removal."""
    row = known.get(facts.key)
    is_gone = facts.platform is None and not facts.repo_digests
    return row if is_gone and row and row.image_pk and row.image_id == facts.image_id else None


def _image_of(facts: ContainerFacts) -> Seen:
    return seen_image(
        facts.image_reference,
        facts.image_id,
        repo_digests=facts.repo_digests,
        platform=facts.platform,
        labels=facts.image_labels,
    )


def _row(host_id: int, facts: ContainerFacts, image_pk: int, now: datetime) -> dict[str, Any]:
    return {
        "host_id": host_id,
        "image_pk": image_pk,
        "key": facts.key,
        "name": facts.name,
        "workload": facts.workload_key,
        "workload_kind": facts.workload_kind,
        "project": facts.project,
        "service": facts.service,
        "runtime_id": facts.runtime_id,
        "image_reference": facts.image_reference,
        "repository": repository_of(facts.image_reference),
        "image_id": facts.image_id,
        "repo_digests": list(facts.repo_digests),
        "status": facts.status,
        "health": facts.health,
        "restart_count": facts.restart_count,
        "platform": str(facts.platform) if facts.platform else None,
        "has_healthcheck": facts.has_healthcheck,
        "labels": dict(facts.labels),
        "mounts": [asdict(mount) for mount in facts.mounts],
        "networks": list(facts.networks),
        "ports": [asdict(port) for port in facts.ports],
        "depends_on": list(facts.depends_on),
        "details": dict(facts.details),
        "container_created_at": facts.created_at,
        "started_at": facts.started_at,
        "first_seen_at": now,
        "last_seen_at": now,
        "vanished_at": None,
    }


def _difference(
    rows: Sequence[Mapping[str, Any]], known: Mapping[str, Row[Any]], vanished: tuple[str, ...]
) -> Recorded:
    added = [
        row["key"] for row in rows if row["key"] not in known or known[row["key"]].vanished_at is not None
    ]
    there = set(added)
    changed = [row["key"] for row in rows if row["key"] not in there and _differs(row, known[row["key"]])]
    return Recorded(tuple(added), tuple(changed), vanished)


def _differs(row: Mapping[str, Any], known: Row[Any]) -> bool:
    given = load(dump({name: row[name] for name in _COMPARED}))
    return any(given[name] != getattr(known, name) for name in _COMPARED)
