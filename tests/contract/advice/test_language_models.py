"""The three providers' clients against a server on loopback that answers from a script."""

import json
from datetime import timedelta
from typing import Any

import pytest

from tests.lab.llm import LanguageModelServer, Reply
from uptainer.advice.connection import connect
from uptainer.advice.consultations import Transcript
from uptainer.advice.model import INSTRUCTIONS, ModelSettings
from uptainer.core.consultations import Speaker
from uptainer.core.enums import ModelProvider, RecommendationType
from uptainer.core.errors import (
    AccessDeniedError,
    PermanentError,
    RateLimitedError,
    TemporaryError,
    UnreachableError,
    UptainerError,
)

GOOD = {
    "decision": "hold",
    "risk_score": 62,
    "summary": "A flag was removed.",
    "reasons": ["The --legacy flag was removed."],
    "breaking_changes": [{"what": "--legacy removed", "quote": "BREAKING: the --legacy flag was removed"}],
}
BAD = {"decision": "maybe", "risk_score": 900, "summary": "x"}

pytestmark = pytest.mark.parametrize("provider", list(ModelProvider))


def settings(url: str, provider: ModelProvider, **changes: Any) -> ModelSettings:
    base = url if provider is ModelProvider.ANTHROPIC else f"{url}/v1"
    return ModelSettings(provider, "model-1", base, **{"api_key": "hush-key", **changes})


async def test_an_answer_in_the_right_form_is_taken(
    llm_server: LanguageModelServer, provider: ModelProvider
) -> None:
    model = connect(settings(llm_server.script(Reply(GOOD)), provider))
    transcript = Transcript()
    answer = await model.ask(INSTRUCTIONS, "the question", transcript)
    assert (answer.decision, answer.risk_score) == (RecommendationType.HOLD, 62)
    assert answer.breaking_changes[0].what == "--legacy removed"
    assert [turn.speaker for turn in transcript.turns] == [Speaker.MODEL]
    assert json.loads(transcript.turns[0].text) == GOOD
    assert (transcript.input_tokens, transcript.output_tokens) == (100, 20)
    (asked,) = llm_server.asked
    assert asked.key == "hush-key"
    assert asked.body["model"] == "model-1"
    body = json.dumps(asked.body)
    assert "the question" in body
    assert "written by strangers" in body


async def test_json_in_plain_text_is_an_answer_too(
    llm_server: LanguageModelServer, provider: ModelProvider
) -> None:
    text = f"```json\n{json.dumps(GOOD)}\n```"
    answer = await connect(settings(llm_server.script(Reply(text)), provider)).ask(
        INSTRUCTIONS, "q", Transcript()
    )
    assert answer.risk_score == 62


async def test_a_wrong_form_is_told_once_and_repaired(
    llm_server: LanguageModelServer, provider: ModelProvider
) -> None:
    url = llm_server.script(Reply(BAD), Reply(GOOD))
    transcript = Transcript()
    assert (await connect(settings(url, provider)).ask(INSTRUCTIONS, "q", transcript)).risk_score == 62
    assert [turn.speaker for turn in transcript.turns] == [Speaker.MODEL, Speaker.UPTAINER, Speaker.MODEL]
    assert transcript.input_tokens == 200
    assert len(llm_server.asked) == 2
    assert "less than or equal to 100" in json.dumps(llm_server.asked[1].body)


@pytest.mark.parametrize("reply", [Reply(BAD), Reply("I would rather not say.")], ids=["bad", "text"])
async def test_a_wrong_form_twice_is_no_answer(
    llm_server: LanguageModelServer, provider: ModelProvider, reply: Reply
) -> None:
    model, transcript = connect(settings(llm_server.script(reply), provider)), Transcript()
    with pytest.raises(PermanentError, match="no answer in the right form"):
        await model.ask(INSTRUCTIONS, "q", transcript)
    assert len(llm_server.asked) == 2
    assert reply.text in transcript.turns[0].text or json.loads(transcript.turns[0].text) == BAD


FAULTS: list[tuple[Reply, type[UptainerError], timedelta | None]] = [
    (Reply("boom", status=500), UnreachableError, None),
    (Reply("overloaded", status=503), UnreachableError, None),
    (Reply("slow down", status=429, headers={"Retry-After": "7"}), RateLimitedError, timedelta(seconds=7)),
    (Reply("bad key hush-key", status=401), AccessDeniedError, None),
    (Reply("no such model", status=404), PermanentError, None),
    (Reply("too long", status=400), PermanentError, None),
]


@pytest.mark.parametrize(("reply", "kind", "wait"), FAULTS, ids=[str(fault[0].status) for fault in FAULTS])
async def test_each_refusal_of_a_model_is_an_error_of_its_own(
    llm_server: LanguageModelServer,
    provider: ModelProvider,
    reply: Reply,
    kind: type[UptainerError],
    wait: timedelta | None,
) -> None:
    with pytest.raises(kind) as caught:
        await connect(settings(llm_server.script(reply), provider)).ask(INSTRUCTIONS, "q", Transcript())
    assert len(llm_server.asked) == 1
    assert "hush-key" not in str(caught.value)
    assert isinstance(caught.value, TemporaryError) is (kind in {UnreachableError, RateLimitedError})
    assert getattr(caught.value, "retry_after", None) == wait


async def test_a_model_that_takes_too_long_is_left(
    llm_server: LanguageModelServer, provider: ModelProvider
) -> None:
    url = llm_server.script(Reply(GOOD, delay=60))
    model, transcript = connect(settings(url, provider, timeout=timedelta(seconds=0.3))), Transcript()
    with pytest.raises(UnreachableError, match="model-1"):
        await model.ask(INSTRUCTIONS, "q", transcript)
    assert transcript.unmetered


async def test_a_model_that_is_away_may_be_back(provider: ModelProvider) -> None:
    with pytest.raises(UnreachableError, match="cannot be asked now"):
        await connect(settings("http://127.0.0.1:1", provider)).ask(INSTRUCTIONS, "q", Transcript())


async def test_a_key_that_an_answer_repeats_is_not_written_down(
    llm_server: LanguageModelServer, provider: ModelProvider
) -> None:
    model, transcript = (
        connect(settings(llm_server.script(Reply("your key is hush-key")), provider)),
        Transcript(),
    )
    with pytest.raises(PermanentError):
        await model.ask(INSTRUCTIONS, "q", transcript)
    assert "your key is ***" in transcript.turns[0].text
    assert "hush-key" not in repr(transcript)


async def test_no_key_is_taken_from_the_environment(
    llm_server: LanguageModelServer, provider: ModelProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "OLLAMA_API_KEY"):
        monkeypatch.setenv(name, "of-somebody-else")
    await connect(settings(llm_server.script(Reply(GOOD)), provider, api_key="")).ask(
        INSTRUCTIONS, "q", Transcript()
    )
    assert llm_server.asked[0].key == "none"
