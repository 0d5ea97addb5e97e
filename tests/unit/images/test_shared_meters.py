"""What a meter tells the shared budget, and when."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import httpx
import pytest

from uptainer.core.budgets import NOTHING, REQUEST, Account, Cost, Grant, Urgency
from uptainer.core.errors import UnreachableError
from uptainer.images.metering import SharedMeter

pytestmark = pytest.mark.anyio
REGISTRY = "registry.test"
PULLS_SPENT = {"ratelimit-limit": "100;w=21600", "ratelimit-remaining": "0;w=21600", "Retry-After": "3600"}


@dataclass
class Ledger:
    """Grants what is wanted, unless it can't be reached."""

    failing: bool = False
    told: list[Account] = field(default_factory=list)

    def exchange(self, registry: str, account: Account, wanted: Cost, urgency: Urgency) -> Grant:
        assert (registry, urgency) == (REGISTRY, Urgency.SWEEP)
        if self.failing:
            raise UnreachableError("the database does not answer")
        self.told.append(account)
        return Grant(wanted)


async def at_once(call: Callable[..., Grant], *given: object) -> Grant:
    await asyncio.sleep(0)
    return call(*given)


def meter(ledger: Ledger) -> SharedMeter:
    run: Callable[..., Awaitable[Grant]] = at_once
    return SharedMeter(ledger, call=run)


def refusal(method: str, path: str) -> httpx.Response:
    asked = httpx.Request(method, f"https://{REGISTRY}/v2/{path}")
    return httpx.Response(429, headers=PULLS_SPENT, request=asked)


async def test_a_refusal_that_could_not_be_told_is_told_with_the_next() -> None:
    ledger = Ledger()
    metered = meter(ledger)
    await metered.admit(REGISTRY, REQUEST)
    ledger.failing = True
    with pytest.raises(UnreachableError):
        await metered.observe(REGISTRY, refusal("HEAD", "app/manifests/1"))
    ledger.failing = False
    await metered.aclose()
    (told,) = ledger.told[1:]
    assert told.hold
    assert told.fault
    assert told.unused == Cost(23, 6)


@pytest.mark.parametrize(
    ("method", "path", "held"),
    [("GET", "app/manifests/1", False), ("HEAD", "app/manifests/1", True), ("GET", "app/tags/list", True)],
)
async def test_a_refusal_of_what_is_no_pull_holds_all_off_though_pulls_are_spent(
    method: str, path: str, held: bool
) -> None:
    ledger = Ledger()
    await meter(ledger).observe(REGISTRY, refusal(method, path))
    (told,) = ledger.told
    assert (told.hold is not None, told.unused) == (held, NOTHING)
