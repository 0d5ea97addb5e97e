"""`uptainer advice` on a real database."""

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.lab.commands import uptainer
from tests.lab.stocked import Stocked
from uptainer.core.consultations import Consultation, Speaker, Turn, Usage
from uptainer.core.enums import ModelProvider, RecommendationType
from uptainer.core.findings import Advice, Finding, Verdict
from uptainer.store.database import Database
from uptainer.store.repositories.consultations import ConsultationRepository, SpendingRepository
from uptainer.store.repositories.recommendations import RecommendationRepository
from uptainer.store.repositories.updates import UpdateRepository


@pytest.mark.parametrize("words", [("log",), ("spent",)], ids=" ".join)
def test_nothing_asked_is_an_empty_list_and_a_sentence(words: tuple[str, ...], empty: Database) -> None:
    assert uptainer("advice", *words, "--json").json == []
    assert uptainer("advice", *words).out == "No language model was asked yet.\n"


@pytest.fixture
def asked(stocked: Stocked) -> Stocked:
    """A model was asked about the stocked update, and once about something else, where it was away."""
    consultation = Consultation(
        at=stocked.now,
        provider=ModelProvider.OLLAMA,
        model="m",
        workload="alpha/web",
        image="docker.io/library/nginx",
        version_before="1.27",
        version_after="1.28",
        instructions="You advise an operator.",
        question="Facts and NOTES: a [bold] word",
        turns=(
            Turn(Speaker.MODEL, "an answer"),
            Turn(Speaker.UPTAINER, "wrong form"),
            Turn(Speaker.MODEL, "hold"),
        ),
        usage=Usage(2, 1.25, 300, 40, Decimal("0.000123")),
        decision=RecommendationType.HOLD,
        risk=80,
    )
    with stocked.database.session() as session:
        kept = ConsultationRepository(session)
        number = kept.keep(consultation)
        kept.keep(
            replace(consultation, workload="alpha/db", decision=None, risk=None, error="m is away", turns=())
        )
        SpendingRepository(session).add(stocked.now, consultation.usage)
        candidate = UpdateRepository(session).by_id(stocked.update_id).candidate_id
        assert candidate is not None
        advice = Advice(
            RecommendationType.HOLD, 80, (Finding("language model", Verdict.BLOCK, "m says hold"),)
        )
        RecommendationRepository(session).record({candidate: advice}, stocked.now, {candidate: number})
    return stocked


def test_the_prompts_and_answers_behind_an_update_are_shown_whole(asked: Stocked) -> None:
    shown = uptainer("advice", "show", str(asked.update_id)).out
    for part in (
        "m says hold",
        "You advise an operator.",
        "a [bold] word",
        "an answer",
        "wrong form",
        "0.000123",
    ):
        assert part in shown
    given = uptainer("advice", "show", str(asked.update_id), "--json").json["given"]
    assert given[0]["consultation"]["turns"][1] == {"speaker": "uptainer", "text": "wrong form"}
    assert given[0]["advice"]["risk"] == 80


def test_an_update_that_nobody_advised_on_is_said(stocked: Stocked) -> None:
    ended = uptainer("advice", "show", "999")
    assert (ended.code, "999" in ended.err) == (1, True)


def test_the_log_has_every_question_and_why_there_is_no_answer(asked: Stocked) -> None:
    listed = uptainer("advice", "log").out
    assert "hold (80)" in listed
    assert "m is away" in listed
    (one,) = uptainer("advice", "log", "alpha/db", "--json").json
    assert (one["error"], one["question"]) == ("m is away", "Facts and NOTES: a [bold] word")


def test_what_the_models_took_is_listed_by_day(asked: Stocked) -> None:
    (day,) = uptainer("advice", "spent", "--json").json
    assert (day["questions"], day["tokens_read"], day["cost"]) == (2, 300, "0.000123")


def test_a_case_that_is_not_there_is_refused_before_any_server_is_asked(empty: Database) -> None:
    ended = uptainer("advice", "evaluate", "--case", "nothing")
    assert ended.code == 1
    assert "there is no case 'nothing'; there are: break-in-between, " in ended.err
