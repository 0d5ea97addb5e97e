"""The language model's client, on Pydantic AI: the one module that needs the extra `llm`.

Pydantic AI asks OpenAI-compatible servers, Anthropic and Ollama in the form each of them wants, checks the answer
against ours, and asks once more when it is wrong.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import anyio
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI
from pydantic_ai import Agent
from pydantic_ai.exceptions import (
    AgentRunError,
    ModelAuthenticationError,
    ModelConnectionError,
    ModelHTTPError,
    ModelRateLimitError,
    ModelServerError,
    ModelUnavailableError,
)
from pydantic_ai.models import Model
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.ollama import OllamaModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.ollama import OllamaProvider
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.settings import ModelSettings as RequestSettings

from uptainer.advice.model import ModelAnswer, ModelSettings, Provider
from uptainer.core.errors import (
    AccessDeniedError,
    PermanentError,
    RateLimitedError,
    UnreachableError,
    UptainerError,
)

_ADDRESSES = {
    Provider.OPENAI_COMPATIBLE: "https://api.openai.com/v1",
    Provider.ANTHROPIC: "https://api.anthropic.com",
    Provider.OLLAMA: "http://127.0.0.1:11434/v1",
}
_REPAIRS = 1
_MAX_SAID = 300
_NO_KEY = "none"
"""Servers of one's own often want no key, and the clients want one; they would else take it from the environment."""


@dataclass(frozen=True, slots=True)
class PydanticAiModel:
    """One question is one run: its connections are closed with it. Trying again later is the caller's business."""

    settings: ModelSettings

    @property
    def name(self) -> str:
        return self.settings.model

    async def ask(self, instructions: str, question: str) -> ModelAnswer:
        limit = self.settings.timeout.total_seconds()
        try:
            with anyio.fail_after(limit * (1 + _REPAIRS)):
                return await self._run(instructions, question)
        except AgentRunError as error:
            raise _translate(error, self.settings) from error
        except TimeoutError as error:
            raise UnreachableError(f"{self.name} did not answer within {limit:.0f} seconds") from error

    async def _run(self, instructions: str, question: str) -> ModelAnswer:
        async with _open(self.settings) as model:
            agent = Agent(model, output_type=ModelAnswer, instructions=instructions, retries=_REPAIRS)
            settings = RequestSettings(max_tokens=self.settings.max_tokens)
            return (await agent.run(question, model_settings=settings)).output


@asynccontextmanager
async def _open(settings: ModelSettings) -> AsyncIterator[Model]:
    """No retries of the client's own: they would hide how often, and how long, a server is asked."""
    url = settings.base_url or _ADDRESSES[settings.provider]
    key, timeout = settings.api_key or _NO_KEY, settings.timeout.total_seconds()
    if settings.provider is Provider.ANTHROPIC:
        async with AsyncAnthropic(api_key=key, base_url=url, timeout=timeout, max_retries=0) as anthropic:
            yield AnthropicModel(settings.model, provider=AnthropicProvider(anthropic_client=anthropic))
        return
    async with AsyncOpenAI(api_key=key, base_url=url, timeout=timeout, max_retries=0) as openai:
        if settings.provider is Provider.OLLAMA:
            yield OllamaModel(settings.model, provider=OllamaProvider(openai_client=openai))
        else:
            yield OpenAIChatModel(settings.model, provider=OpenAIProvider(openai_client=openai))


def _translate(error: AgentRunError, settings: ModelSettings) -> UptainerError:
    said = " ".join(str(error).split())[:_MAX_SAID]
    if settings.api_key:
        said = said.replace(settings.api_key, "***")
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
