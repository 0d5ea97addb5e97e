"""What sweeps have in common: many tasks side by side, bounded, and an end that says what did not work."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

HOSTS_AT_ONCE = 32
"""Each takes a thread that mostly waits, and one that hangs keeps its place until its own patience is over."""

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Swept(Generic[Item, Result]):
    """What came of each item: a result, or the error that ended its task."""

    results: Sequence[Result]
    failures: Sequence[tuple[Item, Exception]]


async def sweep(
    items: Iterable[Item], call: Callable[[Item], Coroutine[Any, Any, Result]], *, at_once: int = 8
) -> Swept[Item, Result]:
    """Run `call` on every item, `at_once` at a time; one that fails does not stop the others."""
    gate = asyncio.Semaphore(at_once)

    async def one(item: Item) -> Result:
        async with gate:
            return await call(item)

    given = list(items)
    found = await asyncio.gather(*(one(item) for item in given), return_exceptions=True)
    for each in found:
        if isinstance(each, BaseException) and not isinstance(each, Exception):
            raise each
    pairs = list(zip(given, found, strict=True))
    return Swept(
        [each for _, each in pairs if not isinstance(each, BaseException)],
        [(item, each) for item, each in pairs if isinstance(each, Exception)],
    )
