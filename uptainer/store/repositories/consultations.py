"""What models were asked, and what they may still be asked today."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from uptainer.core.consultations import Consultation, Speaker, Turn, Usage
from uptainer.core.errors import NotFoundError
from uptainer.store.bulk import any_of
from uptainer.store.documents import dump, load
from uptainer.store.models import ModelConsultation, ModelSpending


class ConsultationRepository:
    def __init__(self, session: Session) -> None:
        self._session = session

    def keep(self, consultation: Consultation) -> int:
        """Write it down for good; its number. What PostgreSQL cannot hold (a NUL, half a character) is left out."""
        # Its text is a model's and strangers'; `dump` is what makes any text fit for the database.
        columns: dict[str, Any] = load(dump(_texts(consultation)))
        row = ModelConsultation(
            at=consultation.at,
            provider=consultation.provider,
            decision=consultation.decision,
            risk=consultation.risk,
            requests=consultation.usage.calls,
            input_tokens=consultation.usage.input_tokens,
            output_tokens=consultation.usage.output_tokens,
            cost=consultation.usage.cost,
            seconds=consultation.usage.seconds,
            **columns,
        )
        self._session.add(row)
        self._session.flush()
        return row.id

    def listing(self, *, workload: str | None = None, limit: int = 100) -> Sequence[tuple[int, Consultation]]:
        """With their numbers, the newest first; `workload` is HOST/NAME."""
        statement = select(ModelConsultation).order_by(
            ModelConsultation.at.desc(), ModelConsultation.id.desc()
        )
        if workload is not None:
            statement = statement.where(ModelConsultation.workload == workload)
        return [(row.id, _read(row)) for row in self._session.scalars(statement.limit(limit))]

    def by_ids(self, numbers: Sequence[int]) -> Sequence[tuple[int, Consultation]]:
        """Those that are still kept, in their order."""
        rows = self._session.scalars(
            select(ModelConsultation)
            .where(any_of(ModelConsultation.id, numbers))
            .order_by(ModelConsultation.id)
        )
        return [(row.id, _read(row)) for row in rows]

    def by_id(self, number: int) -> Consultation:
        """Raises NotFoundError."""
        row = self._session.get(ModelConsultation, number)
        if row is None:
            raise NotFoundError(f"there is no consultation {number}: see `uptainer advice log`")
        return _read(row)


class SpendingRepository:
    def __init__(self, session: Session) -> None:
        self._session = session

    def claim(self, now: datetime) -> Usage:
        """What was taken on this day so far; until the transaction ends, nobody else can claim it."""
        day = now.astimezone(UTC).date()
        self._session.execute(insert(ModelSpending).values(day=day).on_conflict_do_nothing())
        row = self._session.scalars(
            select(ModelSpending)
            .where(ModelSpending.day == day)
            .with_for_update()
            .execution_options(populate_existing=True)
        ).one()
        return _usage(row)

    def add(self, now: datetime, used: Usage, *, instead_of: Usage | None = None) -> None:
        """Count what was used on this day, in the place of what was set aside for it."""
        self.claim(now)
        row = self._session.get_one(ModelSpending, now.astimezone(UTC).date())
        before = instead_of or Usage()
        row.calls += used.calls - before.calls
        row.seconds += used.seconds - before.seconds
        row.input_tokens += used.input_tokens - before.input_tokens
        row.output_tokens += used.output_tokens - before.output_tokens
        row.cost += (used.cost or Decimal(0)) - (before.cost or Decimal(0))
        self._session.flush()

    def listing(self, *, days: int) -> Sequence[tuple[datetime, Usage]]:
        """The last days on which a model was asked, the newest first."""
        rows = self._session.scalars(select(ModelSpending).order_by(ModelSpending.day.desc()).limit(days))
        return [(datetime(row.day.year, row.day.month, row.day.day, tzinfo=UTC), _usage(row)) for row in rows]


def _texts(consultation: Consultation) -> dict[str, Any]:
    names = (
        "model",
        "workload",
        "image",
        "version_before",
        "version_after",
        "instructions",
        "question",
        "error",
    )
    texts: dict[str, Any] = {name: getattr(consultation, name) for name in names}
    return {**texts, "turns": [asdict(turn) for turn in consultation.turns]}


def _usage(row: ModelSpending) -> Usage:
    return Usage(row.calls, row.seconds, row.input_tokens, row.output_tokens, row.cost)


def _read(row: ModelConsultation) -> Consultation:
    return Consultation(
        at=row.at,
        provider=row.provider,
        model=row.model,
        workload=row.workload,
        image=row.image,
        version_before=row.version_before,
        version_after=row.version_after,
        instructions=row.instructions,
        question=row.question,
        turns=tuple(Turn(Speaker(turn["speaker"]), turn["text"]) for turn in row.turns),
        usage=Usage(row.requests, row.seconds, row.input_tokens, row.output_tokens, row.cost),
        decision=row.decision,
        risk=row.risk,
        error=row.error,
    )
