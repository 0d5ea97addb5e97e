"""One run's questions to all registries: each is asked once, and again for as long as it makes sense."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from uptainer.core.errors import (
    PermanentError,
    QuotaSpentError,
    RateLimitedError,
    TemporaryError,
    UnreachableError,
)
from uptainer.core.reference import Reference
from uptainer.images.manifests import ImageConfig, Index, Manifest
from uptainer.images.registry import Head, RegistryClient

Answer = TypeVar("Answer")


def _monotonic() -> float:
    return asyncio.get_running_loop().time()


@dataclass(frozen=True, slots=True)
class Patience:
    """How often one question is asked, and how long (seconds) a registry may keep all of us waiting on the whole.

    `first_wait` doubles with each attempt, unless the registry said how long to wait. `at_once` questions are open
    at a time for each registry.
    """

    attempts: int = 3
    at_once: int = 8
    budget: float = 60.0
    first_wait: float = 0.5
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    clock: Callable[[], float] = _monotonic


@dataclass(slots=True)
class _Mood:
    """What this run knows of one registry. `closed` is why it is not asked again."""

    turns: asyncio.Semaphore
    answers: int = 0
    give_up_at: float | None = None
    resume_at: float = 0.0
    closed: TemporaryError | None = None

    def is_well(self) -> None:
        self.answers += 1
        self.give_up_at = None


@dataclass(slots=True)
class Asker:
    """Shares every answer among all who ask the same, the failures too.

    A registry that cannot be reached, or that wants us to wait for longer than we may, is closed for this run: who
    asks it later gets the same error at once.
    """

    client: RegistryClient
    patience: Patience = field(default_factory=Patience)
    _asked: dict[Hashable, asyncio.Task[Any]] = field(default_factory=dict)
    _moods: dict[str, _Mood] = field(default_factory=dict)

    async def head(self, reference: Reference, known: Head | None = None) -> Head:
        return await self._once(("head", reference), reference, lambda: self.client.head(reference, known))

    async def manifest(self, reference: Reference) -> Index | Manifest:
        return await self._once(("manifest", reference), reference, lambda: self.client.manifest(reference))

    async def config(self, reference: Reference, digest: str) -> ImageConfig:
        key = ("config", reference.name, digest)
        return await self._once(key, reference, lambda: self.client.config(reference, digest))

    async def tags(self, reference: Reference) -> tuple[str, ...]:
        return await self._once(("tags", reference.name), reference, lambda: self.client.tags(reference))

    async def aclose(self) -> None:
        """End what is still being asked, when those who asked have been cancelled."""
        open_tasks = [task for task in self._asked.values() if not task.done()]
        for task in open_tasks:
            task.cancel()
        await asyncio.gather(*open_tasks, return_exceptions=True)

    async def _once(
        self, key: Hashable, reference: Reference, ask: Callable[[], Coroutine[Any, Any, Answer]]
    ) -> Answer:
        if key not in self._asked:
            self._asked[key] = asyncio.create_task(self._persist(reference.registry, ask))
        answer: Answer = await asyncio.shield(self._asked[key])
        return answer

    async def _persist(self, registry: str, ask: Callable[[], Coroutine[Any, Any, Answer]]) -> Answer:
        """One question keeps its turn over all its attempts, so that few are open while a registry is not well."""
        mood = self._moods.setdefault(registry, _Mood(asyncio.Semaphore(self.patience.at_once)))
        async with mood.turns:
            answers_before = mood.answers
            attempt = 0
            while True:
                attempt += 1
                await self._wait_until_welcome(mood)
                try:
                    answer = await ask()
                except TemporaryError as error:
                    wait = self._next_wait(error, attempt, mood)
                    if wait is None:
                        if _is_shut(error, mood, answers_before):
                            mood.closed = error
                        raise
                    mood.resume_at = max(mood.resume_at, self.patience.clock() + wait)
                except PermanentError:
                    mood.is_well()  # a "no" is an answer
                    raise
                else:
                    mood.is_well()
                    return answer

    async def _wait_until_welcome(self, mood: _Mood) -> None:
        """A registry that asked one of us to wait, or could not answer one, is left alone by all of us until then."""
        pause = mood.resume_at - self.patience.clock()
        if pause > 0 and mood.closed is None:
            await self.patience.sleep(pause)
        if mood.closed is not None:
            raise mood.closed

    def _next_wait(self, error: TemporaryError, attempt: int, mood: _Mood) -> float | None:
        """Seconds until this question is asked again; None where it is not."""
        asked = error.retry_after.total_seconds() if error.retry_after is not None else None
        wait = self.patience.first_wait * 2 ** (attempt - 1) if asked is None else asked
        now = self.patience.clock()
        if mood.give_up_at is None:
            mood.give_up_at = now + self.patience.budget
        return wait if attempt < self.patience.attempts and now + wait <= mood.give_up_at else None


def _is_shut(error: TemporaryError, mood: _Mood, answers_before: int) -> bool:
    """Whether this failure speaks of the registry and not of one question: it answered nobody else meanwhile."""
    if isinstance(error, RateLimitedError):
        return not isinstance(error, QuotaSpentError)
    return isinstance(error, UnreachableError) and mood.answers == answers_before
