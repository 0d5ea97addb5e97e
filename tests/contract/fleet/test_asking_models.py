"""A fleet's models: what they are asked is kept, and their budget is one for all who ask."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from tests.contract.fleet.seeded import Seeded
from tests.lab.facts import NOW
from uptainer.advice.advisor import Advisor
from uptainer.advice.consultations import Transcript
from uptainer.advice.consulting import Desk
from uptainer.advice.memory import KnownHost, KnownPage
from uptainer.advice.model import ModelAnswer, ModelSettings
from uptainer.advice.notes import Release, ReleaseNotes
from uptainer.advice.spending import DailyLimits, Prices
from uptainer.core.consultations import Consultation, Speaker, Turn, Usage
from uptainer.core.enums import Forge, ModelProvider, RecommendationType
from uptainer.core.errors import RefusedError, UnreachableError, UptainerError
from uptainer.core.findings import Advice
from uptainer.fleet.advising import advise_fleet
from uptainer.fleet.ledger import SharedLedger
from uptainer.fleet.release_memory import SharedReleaseMemory
from uptainer.store.database import Database
from uptainer.store.repositories.consultations import ConsultationRepository, SpendingRepository
from uptainer.store.repositories.recommendations import RecommendationRepository

SETTINGS = ModelSettings(ModelProvider.OLLAMA, "m", max_tokens=100, prices=Prices(Decimal(1), Decimal(10)))


class Notes:
    def __init__(self, text: str = "Sessions end at midnight.") -> None:
        self.text = text

    async def notes_for(self, *_: Any, **__: Any) -> ReleaseNotes:
        return ReleaseNotes("github.com/a/b", (Release("1.28", "", self.text, ""),))


class Model:
    """Holds everything back, and takes 1000 tokens to say so; or fails."""

    def __init__(self, error: UptainerError | None = None) -> None:
        self.settings = SETTINGS
        self.error = error
        self.asked = 0

    async def ask(self, instructions: str, question: str, transcript: Transcript) -> ModelAnswer:
        self.asked += 1
        await anyio.lowlevel.checkpoint()
        if self.error is not None:
            raise self.error
        transcript.turns.append(Turn(Speaker.MODEL, "hold"))
        transcript.input_tokens += 900
        transcript.output_tokens += 100
        return ModelAnswer(decision=RecommendationType.HOLD, risk_score=80, summary="It breaks.")


def advise(
    fleet: Seeded,
    model: Model,
    limits: DailyLimits | None = None,
    now: datetime = NOW,
    notes: Notes | None = None,
) -> int:
    async def no_sleep(_seconds: float) -> None:
        """A server that is away is asked again at once."""

    ledger = SharedLedger(fleet.database, limits or DailyLimits())
    desk = Desk(model, ledger, sleep=no_sleep, clock=lambda: now)
    return advise_fleet(fleet.database, Advisor(notes or Notes(), desk), now)  # type: ignore[arg-type]  # -- only the call that is made of it


def given(fleet: Seeded) -> Sequence[Advice]:
    with fleet.database.session() as session:
        return list(RecommendationRepository(session).latest(list(range(1000))).values())


def kept(database: Database) -> Sequence[Consultation]:
    with database.session() as session:
        return [each for _, each in ConsultationRepository(session).listing()]


def spent(database: Database, now: datetime = NOW) -> Usage:
    with database.session() as session:
        return SpendingRepository(session).claim(now)


def test_what_a_model_was_asked_and_said_is_kept_with_what_it_took(fleet: Seeded) -> None:
    fleet.run("web")
    fleet.find("web", "1.28")
    assert advise(fleet, Model()) == 1
    (asked,) = kept(fleet.database)
    assert (asked.model, asked.workload, asked.version_after) == ("m", "alpha/web", "1.28")
    assert "Sessions end at midnight." in asked.question
    assert "You advise an operator" in asked.instructions
    assert asked.turns == (Turn(Speaker.MODEL, "hold"),)
    assert asked.usage.cost == Decimal("0.0019")
    assert (asked.decision, asked.risk, asked.error) == (RecommendationType.HOLD, 80, "")
    assert replace(spent(fleet.database), seconds=0.0) == Usage(1, 0.0, 900, 100, Decimal("0.0019"))
    assert given(fleet)[0].recommendation is RecommendationType.HOLD
    with fleet.database.session() as session:
        rows = RecommendationRepository(session).history(fleet_candidate(fleet))
        assert [number for _, number, _ in rows] == [1]


def fleet_candidate(fleet: Seeded) -> int:
    with fleet.database.session() as session:
        return next(iter(RecommendationRepository(session).latest(list(range(1000)))))


def test_a_broken_model_leaves_the_rules_advice_and_is_on_record_all_the_same(fleet: Seeded) -> None:
    fleet.run("web")
    fleet.find("web", "1.28")
    model = Model(UnreachableError("the model does not answer"))
    assert advise(fleet, model) == 1
    assert "the language model was not heard" in " ".join(each.reason for each in given(fleet)[0].findings)
    (asked,) = kept(fleet.database)
    assert (asked.error, asked.usage.calls, asked.decision) == ("the model does not answer", 2, None)


def test_a_spent_budget_leaves_the_rules_advice_and_is_said(fleet: Seeded) -> None:
    names = [f"web-{number}" for number in range(6)]
    fleet.run(*names)
    fleet.find_all(names, "1.28")
    model = Model()
    assert advise(fleet, model, DailyLimits(calls=2)) == 6
    assert model.asked == 2
    reasons = [" ".join(each.reason for each in advice.findings) for advice in given(fleet)]
    refused = [
        each for each in reasons if "the model was not asked: its budget of 2 questions for today" in each
    ]
    assert len(refused) == 4
    assert len(kept(fleet.database)) == 2
    tomorrow = NOW + timedelta(days=1, hours=1)
    assert advise(fleet, model, DailyLimits(calls=2), tomorrow) == 6
    assert model.asked == 4


def test_a_model_that_is_not_heard_any_more_takes_back_no_warning(fleet: Seeded) -> None:
    fleet.run("web")
    fleet.find("web", "1.28")
    advise(fleet, Model())
    (warned,) = given(fleet)
    for days, limits in ((2, DailyLimits()), (4, DailyLimits(calls=0)), (6, DailyLimits())):
        away = Model(UnreachableError("the model does not answer"))
        advise(fleet, away, limits, NOW + timedelta(days=days), Notes("They are worded anew."))
        (now,) = given(fleet)
        assert (now.recommendation, now.risk, now.source) == (warned.recommendation, 80, "rules+m")
        said = [each.reason for each in now.findings if each.rule == "language model"]
        assert len(said) == 2
        assert said[1] == "m says hold (risk 80): It breaks."


def test_a_question_that_was_answered_is_not_asked_again_and_a_budget_reaches_all_in_time(
    fleet: Seeded,
) -> None:
    names = [f"web-{number}" for number in range(6)]
    fleet.run(*names)
    fleet.find_all(names, "1.28")
    model = Model()
    for day in range(5):
        assert advise(fleet, model, DailyLimits(calls=2), NOW + day * timedelta(days=1, hours=1)) == 6
    assert model.asked == 6
    assert len(kept(fleet.database)) == 6
    assert [each.recommendation for each in given(fleet)] == [RecommendationType.HOLD] * 6
    assert {(each.risk, each.source) for each in given(fleet)} == {(80, "rules+m")}


def test_another_model_is_asked_anew(fleet: Seeded) -> None:
    fleet.run("web")
    fleet.find("web", "1.28")
    advise(fleet, Model())
    other = Model()
    other.settings = replace(SETTINGS, model="n")
    advise(fleet, other, now=NOW + timedelta(days=2))
    assert other.asked == 1
    assert given(fleet)[0].source == "rules+n"


class Full:
    """A database's disk is full once some are kept."""

    def __init__(self, ledger: SharedLedger, room: int) -> None:
        self.ledger = ledger
        self.room = room
        self.reserve, self.settle = ledger.reserve, ledger.settle

    async def keep(self, consultation: Consultation) -> int | None:
        self.room -= 1
        if self.room < 0:
            raise UnreachableError("the disk is full")
        return await self.ledger.keep(consultation)


def test_what_was_advised_before_a_fault_is_kept_and_not_asked_again(fleet: Seeded) -> None:
    names = [f"web-{number}" for number in range(30)]
    fleet.run(*names)
    fleet.find_all(names, "1.28")
    desk = Desk(Model(), Full(SharedLedger(fleet.database, DailyLimits()), 25), clock=lambda: NOW)
    with pytest.raises(UnreachableError, match="the disk is full"):
        advise_fleet(fleet.database, Advisor(Notes(), desk), NOW)  # type: ignore[arg-type]  # -- as above
    assert len(given(fleet)) == 25
    again = Model()
    assert advise(fleet, again) == 5
    assert again.asked == 5


def test_many_workers_at_once_never_take_more_than_there_is(database: Database) -> None:
    ledger = SharedLedger(database, DailyLimits(cost=Decimal(1)))
    granted: list[bool] = []

    async def worker() -> None:
        try:
            reserved = await ledger.reserve(Usage(1, 1.0, 10, 10, Decimal("0.3")), NOW)
        except RefusedError:
            granted.append(False)
        else:
            granted.append(True)
            await ledger.settle(reserved, Usage(1, 0.5, 5, 5, Decimal("0.3")))

    async def all_at_once() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(12):
                group.start_soon(worker)

    anyio.run(all_at_once)
    assert sum(granted) == 3
    assert spent(database).cost == Decimal("0.9")


def test_a_question_gets_no_more_seconds_than_are_left(database: Database) -> None:
    ledger = SharedLedger(database, DailyLimits(seconds=100))

    async def ask_twice() -> tuple[float, float]:
        first = await ledger.reserve(Usage(1, 70.0), NOW)
        second = await ledger.reserve(Usage(1, 70.0), NOW)
        await ledger.settle(first, Usage(1, 5.0))
        return first.seconds, second.seconds

    assert anyio.run(ask_twice) == (70.0, 30.0)
    assert spent(database).seconds == 35.0


def test_a_worker_that_dies_while_it_asks_leaves_its_room_counted(database: Database) -> None:
    ledger = SharedLedger(database, DailyLimits(calls=1))
    anyio.run(ledger.reserve, Usage(1), NOW)
    assert spent(database).calls == 1


def test_what_is_remembered_of_hosts_is_shared(database: Database) -> None:
    async def remember() -> tuple[KnownHost, KnownPage | None]:
        one, other = SharedReleaseMemory(database), SharedReleaseMemory(database)
        assert await other.host("git.example.org") == KnownHost()
        await one.paused("git.example.org", NOW)
        await one.recognised("git.example.org", Forge.GITEA, NOW)
        await one.keep("https://x", KnownPage('"e"', (Release("v1", "t", "b\x00", "u"),), more=True), NOW)
        await one.keep("https://x", KnownPage('"f"', (Release("v2", "t", "b", "u"),), more=False), NOW)
        return await other.host("git.example.org"), await other.page("https://x")

    host, page = anyio.run(remember)
    assert host == KnownHost(Forge.GITEA, NOW.astimezone(UTC), NOW.astimezone(UTC))
    assert page == KnownPage('"f"', (Release("v2", "t", "b", "u"),), more=False)
