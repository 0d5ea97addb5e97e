"""What models were asked, and what they may still be asked, in a real PostgreSQL."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import Executable, delete, text, update
from sqlalchemy.exc import DBAPIError

from tests.contract.store.conftest import Fleet
from tests.lab.facts import ASKED, NOW
from tests.lab.threads import side_by_side
from uptainer.core.consultations import Consultation, Speaker, Turn, Usage
from uptainer.core.enums import RecommendationType
from uptainer.core.errors import NotFoundError
from uptainer.core.findings import Advice
from uptainer.store.database import Database
from uptainer.store.models import ModelConsultation
from uptainer.store.repositories.consultations import ConsultationRepository, SpendingRepository
from uptainer.store.repositories.recommendations import RecommendationRepository
from uptainer.store.repositories.retention import Retention, RetentionRepository


def keep(database: Database, asked: Consultation = ASKED) -> int:
    with database.session() as session:
        return ConsultationRepository(session).keep(asked)


def test_a_consultation_comes_back_whole(database: Database) -> None:
    number = keep(database)
    keep(
        database,
        replace(ASKED, at=NOW + timedelta(hours=1), workload="alpha/db", decision=None, error="away"),
    )
    with database.session() as session:
        kept = ConsultationRepository(session)
        assert kept.by_id(number) == ASKED
        assert [each.workload for _, each in kept.listing()] == ["alpha/db", "alpha/web"]
        assert [found for found, _ in kept.listing(workload="alpha/web")] == [number]
        assert kept.by_ids([number, 999]) == [(number, ASKED)]
        with pytest.raises(NotFoundError, match="uptainer advice log"):
            kept.by_id(999)


def test_what_the_database_cannot_hold_does_not_keep_the_rest_from_being_kept(database: Database) -> None:
    number = keep(database, replace(ASKED, question="a\x00b\ud800c", turns=(Turn(Speaker.MODEL, "\x00"),)))
    with database.session() as session:
        kept = ConsultationRepository(session).by_id(number)
    assert kept.question.startswith("a")
    assert kept.question.endswith("c")


@pytest.mark.parametrize("change", ["update", "delete", "truncate"])
def test_nobody_changes_what_was_asked(database: Database, change: str) -> None:
    keep(database, replace(ASKED, at=datetime.now(UTC)))
    statements: dict[str, Executable] = {
        "update": update(ModelConsultation).values(question="other"),
        "delete": delete(ModelConsultation),
        "truncate": text("TRUNCATE uptainer.model_consultations CASCADE"),
    }
    with pytest.raises(DBAPIError, match="model_consultations is append-only"), database.session() as session:
        session.execute(statements[change])


def test_what_is_older_than_its_time_goes_and_the_recommendation_stays(database: Database) -> None:
    fleet = Fleet(database, "web")
    now = datetime.now(UTC)
    number = keep(database, replace(ASKED, at=now - timedelta(days=500)))
    with database.session() as session:
        (candidate,) = fleet.find(session, "web", "1.28")
        given = RecommendationRepository(session)
        given.record({candidate: Advice(RecommendationType.HOLD, 80, ())}, now, {candidate: number})
        assert [each for _, each, _ in given.history(candidate)] == [number]
        pruned = RetentionRepository(session).prune(Retention(), now)
        session.expire_all()
        assert pruned.consultations == 1
        assert [each for _, each, _ in given.history(candidate)] == [None]


def test_a_day_of_utc_is_counted_by_itself(database: Database) -> None:
    late = datetime(2026, 3, 14, 23, 59, tzinfo=UTC)
    with database.session() as session:
        SpendingRepository(session).add(late, Usage(1, 2.0, 10, 5, Decimal("0.5")))
    with database.session() as session:
        spent = SpendingRepository(session)
        assert spent.claim(late) == Usage(1, 2.0, 10, 5, Decimal("0.500000"))
        assert spent.claim(late + timedelta(minutes=1)).calls == 0
        assert [day.day for day, _ in spent.listing(days=7)] == [15, 14]


def test_many_who_count_at_once_lose_nothing(database: Database) -> None:
    def count() -> None:
        for _ in range(10):
            with database.session() as session:
                SpendingRepository(session).add(NOW, Usage(2, 1.0, 10), instead_of=Usage(1))

    side_by_side(*([count] * 4))
    with database.session() as session:
        assert SpendingRepository(session).claim(NOW).calls == 40
