"""What lookups found: the current answer for each container, and its candidates."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from uptainer.core.enums import ChangeLevel, CheckResult
from uptainer.core.errors import NotFoundError
from uptainer.core.images import Candidate
from uptainer.core.platform import Platform
from uptainer.store.bulk import any_of, insert_rows, none_of, recordset, upsert_rows
from uptainer.store.models import CandidateRow, UpdateCheck
from uptainer.store.models.checks import CURRENT
from uptainer.store.repositories.images import ImageRepository

_ANSWER = ("reference", "image_id", "result", "registry_digest", "stands_for")
_RESTATED = ("reason", "etag", "last_checked_at")


@dataclass(frozen=True, slots=True)
class Lookup:
    """What one lookup found for one container; `stands_for` is the version that its mutable tag stands for now.

    `image_id` is of the image that was asked about; `unanswered` are the levels of which it was not found out whether
    there is a candidate.
    """

    container_id: int
    reference: str
    result: CheckResult
    reason: str
    registry_digest: str | None = None
    etag: str | None = None
    stands_for: str | None = None
    candidates: tuple[Candidate, ...] = ()
    platform: Platform | None = None
    image_id: str = ""
    unanswered: frozenset[ChangeLevel] = frozenset()


@dataclass(frozen=True, slots=True)
class Remembered:
    """What a registry answered for a reference the last time, for a conditional request."""

    digest: str | None
    etag: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class CheckRecord:
    """Containers whose answer is another one than before, and the candidates there are now, by container."""

    changed: tuple[int, ...]
    candidates: Mapping[int, tuple[CandidateRow, ...]]


class CheckRepository:
    def __init__(self, session: Session) -> None:
        self._session = session

    def record(
        self, lookups: Sequence[Lookup], now: datetime, *, asked_at: datetime | None = None
    ) -> CheckRecord:
        """One lookup for each container. A row is added where the answer changed, else the row there is restated.

        Candidates that are not given any more are marked gone, but for what was not answered. `asked_at`
        is when the first of these was asked for: where another check has found something out since, that stands.
        """
        current = self._current([each.container_id for each in lookups])
        if asked_at is not None:
            since = {key for key, row in current.items() if _is_found_between(asked_at, row, now)}
            lookups = [each for each in lookups if each.container_id not in since]
        if not lookups:
            return CheckRecord((), {})
        same = [each for each in lookups if _is_same(each, current.get(each.container_id))]
        restated = {each.container_id for each in same}
        changed = [each for each in lookups if each.container_id not in restated]
        self._restate(same, current, now)
        self._replace(changed, current, now)
        found = self._record_candidates(lookups, now)
        return CheckRecord(tuple(each.container_id for each in changed), found)

    def keep_decisions(self, decisions: Mapping[int, Mapping[str, Any]]) -> None:
        """What was decided on the current answer of each container, by container."""
        if not decisions:
            return
        rows = [{"container_id": each, "decision": dict(decision)} for each, decision in decisions.items()]
        given = recordset(UpdateCheck, ("container_id", "decision"), rows)
        self._session.execute(
            update(UpdateCheck)
            .where(UpdateCheck.current, UpdateCheck.container_id == given.c.container_id)
            .values(decision=given.c.decision)
            .execution_options(synchronize_session=False)
        )

    def current(self, container_ids: Sequence[int]) -> Mapping[int, UpdateCheck]:
        return self._current(container_ids)

    def history(self, container_id: int, *, limit: int = 50) -> Sequence[UpdateCheck]:
        """Each different answer, the newest first."""
        wanted = select(UpdateCheck).where(UpdateCheck.container_id == container_id)
        return self._session.scalars(wanted.order_by(UpdateCheck.first_checked_at.desc()).limit(limit)).all()

    def remembered(self, references: Iterable[str]) -> Mapping[str, Remembered]:
        """What the registries answered for these references the last time that one answered."""
        rows = self._session.execute(
            select(
                UpdateCheck.reference,
                UpdateCheck.registry_digest,
                UpdateCheck.etag,
                UpdateCheck.last_checked_at,
            )
            .where(
                UpdateCheck.current,
                any_of(UpdateCheck.reference, sorted(set(references))),
                UpdateCheck.registry_digest.is_not(None),
            )
            .order_by(UpdateCheck.reference, UpdateCheck.last_checked_at.desc())
            .distinct(UpdateCheck.reference)
        )
        return {reference: Remembered(digest, etag, at) for reference, digest, etag, at in rows}

    def candidates(self, container_ids: Sequence[int]) -> Mapping[int, tuple[CandidateRow, ...]]:
        """The candidates there are now, by container, as they were found."""
        rows = self._session.scalars(
            select(CandidateRow)
            .where(any_of(CandidateRow.container_id, container_ids), CandidateRow.gone_at.is_(None))
            .order_by(CandidateRow.id)
        )
        return _by_container(rows, container_ids)

    def candidate(self, candidate_id: int) -> CandidateRow:
        row = self._session.get(CandidateRow, candidate_id)
        if row is None:
            raise NotFoundError(f"there is no candidate {candidate_id}")
        return row

    def _current(self, container_ids: Sequence[int]) -> Mapping[int, UpdateCheck]:
        rows = self._session.scalars(
            select(UpdateCheck).where(UpdateCheck.current, any_of(UpdateCheck.container_id, container_ids))
        )
        return {row.container_id: row for row in rows}

    def _restate(self, same: Sequence[Lookup], current: Mapping[int, UpdateCheck], now: datetime) -> None:
        if not same:
            return
        names = ("id", *_RESTATED)
        rows = [{**_columns(each, now), "id": current[each.container_id].id} for each in same]
        given = recordset(UpdateCheck, names, [{name: row[name] for name in names} for row in rows])
        self._session.execute(
            update(UpdateCheck)
            .where(UpdateCheck.id == given.c.id)
            .values({name: given.c[name] for name in _RESTATED})
            .execution_options(synchronize_session=False)
        )

    def _replace(self, changed: Sequence[Lookup], current: Mapping[int, UpdateCheck], now: datetime) -> None:
        if not changed:
            return
        old = [current[each.container_id].id for each in changed if each.container_id in current]
        self._session.execute(
            update(UpdateCheck)
            .where(any_of(UpdateCheck.id, old))
            .values(current=False)
            .execution_options(synchronize_session=False)
        )
        statement = insert_rows(UpdateCheck, [_columns(each, now) for each in changed])
        names = (*_ANSWER, *_RESTATED, "first_checked_at")
        # Two checks at the same time: the later one's answer stands.
        statement = statement.on_conflict_do_update(
            index_elements=["container_id"],
            index_where=CURRENT,
            set_={name: statement.excluded[name] for name in names},
        )
        self._session.execute(statement)

    def _record_candidates(
        self, lookups: Sequence[Lookup], now: datetime
    ) -> Mapping[int, tuple[CandidateRow, ...]]:
        pairs = [(candidate, each.platform) for each in lookups for candidate in each.candidates]
        images = ImageRepository(self._session).record_candidates(pairs, now)
        rows = {
            (row["container_id"], row["reference"], row["digest"]): row
            for each in lookups
            for row in _candidate_rows(each, images, now)
        }
        found = self._upsert_candidates(list(rows.values()))
        answered: defaultdict[frozenset[ChangeLevel], list[int]] = defaultdict(list)
        for each in lookups:
            if each.result is not CheckResult.UNKNOWN or each.unanswered:
                answered[each.unanswered].append(each.container_id)
        for unanswered, ids in answered.items():
            self._mark_gone(ids, unanswered, [row.id for row in found], now)
        return _by_container(found, [each.container_id for each in lookups])

    def _upsert_candidates(self, rows: Sequence[dict[str, Any]]) -> Sequence[CandidateRow]:
        if not rows:
            return []
        key = ("container_id", "reference", "digest")
        statement = upsert_rows(CandidateRow, rows, key=key, keep=("found_at",))
        returning = statement.returning(CandidateRow).execution_options(populate_existing=True)
        return self._session.scalars(returning).all()

    def _mark_gone(
        self,
        container_ids: Sequence[int],
        unanswered: Collection[ChangeLevel],
        kept: Sequence[int],
        now: datetime,
    ) -> None:
        self._session.execute(
            update(CandidateRow)
            .where(
                any_of(CandidateRow.container_id, container_ids),
                CandidateRow.gone_at.is_(None),
                none_of(CandidateRow.id, kept),
                CandidateRow.level.not_in(unanswered),
            )
            .values(gone_at=now)
            .execution_options(synchronize_session=False)
        )


def _is_same(lookup: Lookup, row: UpdateCheck | None) -> bool:
    return row is not None and all(getattr(row, name) == getattr(lookup, name) for name in _ANSWER)


def _is_found_between(asked_at: datetime, row: UpdateCheck, now: datetime) -> bool:
    """What is said to have been found later than now is not: a clock was wrong, and would else be believed for long."""
    return row.result is not CheckResult.UNKNOWN and asked_at < row.last_checked_at <= now


def _columns(lookup: Lookup, now: datetime) -> dict[str, Any]:
    return {
        "container_id": lookup.container_id,
        "reference": lookup.reference,
        "image_id": lookup.image_id,
        "result": lookup.result,
        "reason": lookup.reason,
        "registry_digest": lookup.registry_digest,
        "etag": lookup.etag,
        "stands_for": lookup.stands_for,
        "current": True,
        "first_checked_at": now,
        "last_checked_at": now,
    }


def _candidate_rows(
    lookup: Lookup, images: Mapping[tuple[str, str], int], now: datetime
) -> Iterable[dict[str, Any]]:
    for each in lookup.candidates:
        yield {
            "container_id": lookup.container_id,
            "image_pk": images[each.digest, str(lookup.platform or "unknown")],
            "reference": str(each.reference),
            "digest": each.digest,
            "level": each.level,
            "version": each.version,
            "labels": dict(each.labels),
            "published_at": each.published_at,
            "found_at": now,
            "last_seen_at": now,
            "gone_at": None,
        }


def _by_container(
    rows: Iterable[CandidateRow], container_ids: Sequence[int]
) -> Mapping[int, tuple[CandidateRow, ...]]:
    found: dict[int, list[CandidateRow]] = {each: [] for each in container_ids}
    for row in rows:
        found[row.container_id].append(row)
    return {container: tuple(each) for container, each in found.items()}
