"""Advice on candidates, as it was given."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from uptainer.core.findings import Advice, Finding, Verdict
from uptainer.store.bulk import any_of, insert_rows
from uptainer.store.models import AiRecommendation


class RecommendationRepository:
    def __init__(self, session: Session) -> None:
        self._session = session

    def record(
        self, advice: Mapping[int, Advice], now: datetime, consultations: Mapping[int, int] | None = None
    ) -> None:
        """Advice by candidate id, a row each time that it was asked for: its history shows.

        `consultations` are the numbers of what a model was asked, for those candidates for which one was.
        """
        asked = consultations or {}
        rows = [
            {**_columns(candidate, each, now), "consultation_id": asked.get(candidate)}
            for candidate, each in advice.items()
        ]
        if rows:
            self._session.execute(insert_rows(AiRecommendation, rows))

    def given_at(self, candidate_ids: Sequence[int]) -> Mapping[int, datetime]:
        """When advice was last given, by candidate id, for those that there is advice on."""
        rows = self._session.execute(
            select(AiRecommendation.candidate_id, func.max(AiRecommendation.created_at))
            .where(any_of(AiRecommendation.candidate_id, candidate_ids))
            .group_by(AiRecommendation.candidate_id)
        )
        return dict(rows.tuples().all())

    def asked_for(self, candidate_ids: Sequence[int]) -> Mapping[int, int]:
        """By candidate id, the number of what a model was asked for the last advice, where it was asked something."""
        rows = self._session.execute(
            select(AiRecommendation.candidate_id, AiRecommendation.consultation_id)
            .where(any_of(AiRecommendation.candidate_id, candidate_ids))
            .order_by(AiRecommendation.candidate_id, AiRecommendation.id.desc())
            .distinct(AiRecommendation.candidate_id)
        ).tuples()
        return {candidate: number for candidate, number in rows if number is not None}

    def latest(self, candidate_ids: Sequence[int]) -> Mapping[int, Advice]:
        """By candidate id, those that there is advice on."""
        rows = self._session.scalars(
            select(AiRecommendation)
            .where(any_of(AiRecommendation.candidate_id, candidate_ids))
            .order_by(AiRecommendation.candidate_id, AiRecommendation.id.desc())
            .distinct(AiRecommendation.candidate_id)
        )
        return {row.candidate_id: _advice(row) for row in rows}

    def history(self, candidate_id: int) -> Sequence[tuple[datetime, int | None, Advice]]:
        """Each advice that was given on the candidate, the newest first, with the number of its consultation."""
        rows = self._session.scalars(
            select(AiRecommendation)
            .where(AiRecommendation.candidate_id == candidate_id)
            .order_by(AiRecommendation.id.desc())
        )
        return [(row.created_at, row.consultation_id, _advice(row)) for row in rows]


def _columns(candidate_id: int, advice: Advice, now: datetime) -> dict[str, Any]:
    return {
        "candidate_id": candidate_id,
        "source": advice.source,
        "recommendation": advice.recommendation,
        "risk": advice.risk,
        "summary": advice.summary,
        "findings": [asdict(each) for each in advice.findings],
        "created_at": now,
    }


def _advice(row: AiRecommendation) -> Advice:
    return Advice(
        recommendation=row.recommendation,
        risk=row.risk,
        findings=tuple(_finding(each) for each in row.findings),
        summary=row.summary,
        source=row.source,
    )


def _finding(stored: Mapping[str, Any]) -> Finding:
    until = stored["until"]
    return Finding(
        stored["rule"],
        Verdict(stored["verdict"]),
        stored["reason"],
        until=datetime.fromisoformat(until) if until else None,
    )
