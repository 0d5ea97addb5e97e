"""The language model's client, on Pydantic AI: the one module that needs the extra `llm`.

Pydantic AI asks OpenAI-compatible servers, Anthropic and Ollama in the form each of them wants, checks the answer
against ours, and asks once more when it is wrong.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import anthropic
import anyio
import openai
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI
from pydantic_ai import Agent, capture_run_messages
from pydantic_ai.exceptions import (
    AgentRunError,
    ModelAuthenticationError,
    ModelConnectionError,
    ModelHTTPError,
    ModelRateLimitError,
    ModelServerError,
    ModelUnavailableError,
)
from pydantic_ai.messages import (
    ModelMessage,
    ModelResponse,
    RetryPromptPart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
)
from pydantic_ai.models import Model
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.ollama import OllamaModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.ollama import OllamaProvider
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.settings import ModelSettings as RequestSettings

from uptainer.advice.consultations import Transcript
from uptainer.advice.model import REPAIRS, ModelAnswer, ModelSettings
from uptainer.core.consultations import Speaker, Turn
from uptainer.core.enums import ModelProvider
from uptainer.core.errors import (
    AccessDeniedError,
    PermanentError,
    RateLimitedError,
    UnreachableError,
    UptainerError,
)

_ADDRESSES = {
    ModelProvider.OPENAI_COMPATIBLE: "https://api.openai.com/v1",
    ModelProvider.ANTHROPIC: "https://api.anthropic.com",
    ModelProvider.OLLAMA: "http://127.0.0.1:11434/v1",
}
_MAX_SAID = 300
_NO_KEY = "none"
"""Servers of one's own often want no key, and the clients want one; they would else take it from the environment."""


@dataclass(frozen=True, slots=True)
class PydanticAiModel:
    """One question is one run: its connections are closed with it. Trying again later is the caller's business."""

    settings: ModelSettings

    async def ask(self, instructions: str, question: str, transcript: Transcript) -> ModelAnswer:
        limit, name = self.settings.timeout.total_seconds(), self.settings.model
        with capture_run_messages() as messages:
            try:
                with anyio.fail_after(limit * (1 + REPAIRS)):
                    return await self._run(instructions, question)
            except AgentRunError as error:
                transcript.unmetered = _timed_out(error)
                raise _translate(error, self.settings) from error
            except TimeoutError as error:
                transcript.unmetered = True
                raise UnreachableError(f"{name} did not answer within {limit:.0f} seconds") from error
            finally:
                _write_down(messages, transcript, self.settings.api_key)

    async def _run(self, instructions: str, question: str) -> ModelAnswer:
        async with _open(self.settings) as model:
            agent = Agent(model, output_type=ModelAnswer, instructions=instructions, retries=REPAIRS)
            settings = RequestSettings(max_tokens=self.settings.max_tokens)
            return (await agent.run(question, model_settings=settings)).output


@asynccontextmanager
async def _open(settings: ModelSettings) -> AsyncIterator[Model]:
    """No retries of the client's own: they would hide how often, and how long, a server is asked."""
    url = settings.base_url or _ADDRESSES[settings.provider]
    key, timeout = settings.api_key or _NO_KEY, settings.timeout.total_seconds()
    if settings.provider is ModelProvider.ANTHROPIC:
        async with AsyncAnthropic(api_key=key, base_url=url, timeout=timeout, max_retries=0) as client:
            yield AnthropicModel(settings.model, provider=AnthropicProvider(anthropic_client=client))
        return
    async with AsyncOpenAI(api_key=key, base_url=url, timeout=timeout, max_retries=0) as client:
        if settings.provider is ModelProvider.OLLAMA:
            yield OllamaModel(settings.model, provider=OllamaProvider(openai_client=client))
        else:
            yield OpenAIChatModel(settings.model, provider=OpenAIProvider(openai_client=client))


def _write_down(messages: Sequence[ModelMessage], transcript: Transcript, key: str) -> None:
    """All that was said after the question; a key that a server repeats is not kept."""
    for message in messages:
        for part in message.parts:
            said = _said(part)
            if said is not None:
                speaker = Speaker.MODEL if isinstance(message, ModelResponse) else Speaker.UPTAINER
                transcript.turns.append(Turn(speaker, said.replace(key, "***") if key else said))
        if isinstance(message, ModelResponse):
            transcript.input_tokens += message.usage.input_tokens
            transcript.output_tokens += message.usage.output_tokens
            transcript.unmetered |= not (message.usage.input_tokens and message.usage.output_tokens)
    answers = sum(isinstance(message, ModelResponse) for message in messages)
    transcript.requests += max(0, answers - 1)


def _said(part: object) -> str | None:
    if isinstance(part, TextPart):
        return part.content
    if isinstance(part, ToolCallPart):
        return part.args_as_json_str()
    if isinstance(part, ToolReturnPart):
        return part.model_response_str() if part.retry is not None else None
    return part.model_response() if isinstance(part, RetryPromptPart) else None


def _timed_out(error: BaseException | None) -> bool:
    """The clients' own time limits are an error of the connection, with the reason behind it."""
    while error is not None:
        if isinstance(error, TimeoutError | openai.APITimeoutError | anthropic.APITimeoutError):
            return True
        error = error.__cause__
    return False


def _translate(error: AgentRunError, settings: ModelSettings) -> UptainerError:
    said = " ".join(str(error).split())
    if settings.api_key:
        said = said.replace(settings.api_key, "***")  # before it is cut, which could leave a part of it
    said = said[:_MAX_SAID]
    if isinstance(error, ModelRateLimitError):
        wait = timedelta(seconds=error.retry_after) if error.retry_after is not None else None
        return RateLimitedError(f"{settings.model} allows no more requests for now: {said}", retry_after=wait)
    if isinstance(error, ModelConnectionError | ModelServerError | ModelUnavailableError):
        return UnreachableError(f"{settings.model} cannot be asked now: {said}")
    if isinstance(error, ModelAuthenticationError):
        return AccessDeniedError(f"{settings.model} refuses the key: {said}")
    if isinstance(error, ModelHTTPError):
        return PermanentError(f"{settings.model} refuses the request: {said}")
    return PermanentError(f"{settings.model} gave no answer in the right form, twice: {said}")
