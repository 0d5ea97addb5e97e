"""The fleet's lookup against its floor: a bare httpx loop that makes the same requests, side by side in one run.

    python -m benchmarks.lookups

Two fleets on a local registry (Debian's docker-registry): 1,000 containers of 100 references, and 10,000 of 500. The
tags follow their digest only. Aims: at most 1.05 requests for each distinct reference, within 1.5 times the floor.
"""

import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
from rich.console import Console
from rich.table import Table

from tests.lab.images import build_image, push_image
from tests.lab.registry import Registry
from tests.lab.room import take_room
from uptainer.core.enums import CheckResult
from uptainer.core.platform import Platform
from uptainer.core.reference import Reference
from uptainer.images.asking import Patience
from uptainer.images.credentials import Keychain
from uptainer.images.lookups import look_up
from uptainer.images.manifests import ACCEPT
from uptainer.images.queries import Query
from uptainer.images.registry import RegistryClient
from uptainer.images.tag_policy import TagPolicy
from uptainer.images.trust import shared_trust

FLEETS = ((1_000, 100), (10_000, 500))
ROUNDS = 5
MOST_REQUESTS = 1.05
MOST_TIME = 1.5


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds are the median of the rounds; the ratio is the median of each round's own."""

    containers: int
    references: int
    requests: float
    seconds: float
    floor: float
    ratio: float

    @property
    def holds(self) -> bool:
        return self.requests <= MOST_REQUESTS and self.ratio <= MOST_TIME


def main() -> int:
    with serving() as (registry, digest):
        measured = [asyncio.run(measure(registry, digest, *fleet)) for fleet in FLEETS]
    Console(width=110).print(as_table(measured))
    return 0 if all(row.holds for row in measured) else 1


@contextmanager
def serving() -> Iterator[tuple[Registry, str]]:
    """A registry with every reference of the larger fleet in it, ten tags to a repository, all of one image."""
    with take_room() as room:
        registry = Registry(room)
        try:
            image = build_image()
            for name in names(max(references for _, references in FLEETS)):
                digest = push_image(registry.url, name, image)
            yield registry, digest
        finally:
            registry.close()


def names(count: int) -> list[str]:
    return [f"bench/app{number // 10}:1.{number % 10}" for number in range(count)]


async def measure(registry: Registry, digest: str, containers: int, references: int) -> Measured:
    distinct = [Reference.parse(registry.reference(name)) for name in names(references)]
    queries = [
        Query(distinct[number % references], Platform("linux", "amd64"), TagPolicy(), frozenset({digest}))
        for number in range(containers)
    ]
    ours, floor, requests = [], [], []
    for _ in range(ROUNDS):
        floor.append(await seconds_of(lambda: bare_loop(registry, distinct)))
        registry.forget_requests()
        ours.append(await seconds_of(lambda: fleet_lookup(queries)))
        requests.append(len(registry.requests()) / references)
    ratios = [mine / bare for mine, bare in zip(ours, floor, strict=True)]
    median = statistics.median
    return Measured(containers, references, max(requests), median(ours), median(floor), median(ratios))


async def seconds_of(run: Callable[[], Awaitable[None]]) -> float:
    start = time.perf_counter()
    await run()
    return time.perf_counter() - start


async def fleet_lookup(queries: list[Query]) -> None:
    async with RegistryClient(Keychain()) as client:
        found = await look_up(queries, client)
    assert {lookup.result for lookup in found} == {CheckResult.UP_TO_DATE}


async def bare_loop(registry: Registry, references: list[Reference]) -> None:
    """The same HEADs by httpx alone, as many at once."""
    turns = asyncio.Semaphore(Patience().at_once)
    async with httpx.AsyncClient(headers={"Accept": ACCEPT}, verify=shared_trust()) as client:

        async def head(reference: Reference) -> None:
            async with turns:
                url = f"{registry.url}/v2/{reference.repository}/manifests/{reference.tag}"
                (await client.head(url)).raise_for_status()

        await asyncio.gather(*map(head, references))


def as_table(measured: list[Measured]) -> Table:
    table = Table(title="Lookups in digest mode, on a local registry")
    for column in (
        "containers",
        "references",
        "requests/reference",
        "lookup",
        "bare httpx",
        "ratio",
        "holds",
    ):
        table.add_column(column, justify="right")
    for row in measured:
        table.add_row(
            f"{row.containers:,}",
            f"{row.references:,}",
            f"{row.requests:.3f}",
            f"{row.seconds:.3f} s",
            f"{row.floor:.3f} s",
            f"{row.ratio:.2f}",
            "yes" if row.holds else "NO",
        )
    return table


if __name__ == "__main__":
    sys.exit(main())
