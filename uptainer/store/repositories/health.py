"""The history of health: a row for each turn, stretched while nothing changes."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from uptainer.core.enums import Health
from uptainer.store.bulk import any_of, insert_rows, recordset
from uptainer.store.models import HealthObservation

CERTAIN = (Health.HEALTHY, Health.NONE, Health.UNHEALTHY)


@dataclass(frozen=True, slots=True)
class Observation:
    """`probes` says for each probe what it found, as JSON."""

    container_id: int
    status: Health
    reason: str
    probes: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Turn:
    """`before` is None for a container that was never observed; `known` is how it was when that was last known for
    sure: neither starting nor unknown.
    """

    container_id: int
    before: Health | None
    after: Health
    reason: str
    known: Health | None = None


class HealthRepository:
    def __init__(self, session: Session) -> None:
        self._session = session

    def observe(self, observations: Sequence[Observation], now: datetime) -> tuple[Turn, ...]:
        """One observation for each container; gives those whose status is another one than before."""
        if not observations:
            return ()
        ids = [each.container_id for each in observations]
        before, known = self.latest(ids), self.latest(ids, among=CERTAIN)
        same = [each for each in observations if _status(before, each) is each.status]
        stretched = {each.container_id for each in same}
        turned = [each for each in observations if each.container_id not in stretched]
        self._stretch([(before[each.container_id].id, each) for each in same], now)
        if turned:
            self._session.execute(insert_rows(HealthObservation, [_columns(each, now) for each in turned]))
        return tuple(
            Turn(each.container_id, _status(before, each), each.status, each.reason, _status(known, each))
            for each in turned
        )

    def latest(
        self, container_ids: Sequence[int], *, among: Collection[Health] = tuple(Health)
    ) -> Mapping[int, HealthObservation]:
        """The last observation of each, of these kinds; those that were observed at all."""
        rows = self._session.scalars(
            select(HealthObservation)
            .where(any_of(HealthObservation.container_id, container_ids), HealthObservation.status.in_(among))
            .order_by(
                HealthObservation.container_id, HealthObservation.first_at.desc(), HealthObservation.id.desc()
            )
            .distinct(HealthObservation.container_id)
            .execution_options(populate_existing=True)
        )
        return {row.container_id: row for row in rows}

    def history(self, container_id: int, *, limit: int = 50) -> Sequence[HealthObservation]:
        """The newest first."""
        wanted = select(HealthObservation).where(HealthObservation.container_id == container_id)
        newest = wanted.order_by(HealthObservation.first_at.desc(), HealthObservation.id.desc())
        return self._session.scalars(newest.limit(limit)).all()

    def _stretch(self, same: Sequence[tuple[int, Observation]], now: datetime) -> None:
        if not same:
            return
        rows = [{"id": number, **_said(each), "last_at": now} for number, each in same]
        given = recordset(HealthObservation, list(rows[0]), rows)
        self._session.execute(
            update(HealthObservation)
            .where(HealthObservation.id == given.c.id)
            .values(
                reason=given.c.reason,
                probes=given.c.probes,
                last_at=given.c.last_at,
                observations=HealthObservation.observations + 1,
            )
            .execution_options(synchronize_session=False)
        )


def _status(before: Mapping[int, HealthObservation], each: Observation) -> Health | None:
    row = before.get(each.container_id)
    return None if row is None else row.status


def _said(each: Observation) -> dict[str, Any]:
    return {"reason": each.reason, "probes": [dict(probe) for probe in each.probes]}


def _columns(each: Observation, now: datetime) -> dict[str, Any]:
    return {
        "container_id": each.container_id,
        "status": each.status,
        **_said(each),
        "observations": 1,
        "first_at": now,
        "last_at": now,
    }
