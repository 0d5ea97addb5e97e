"""The meter between a registry client and the budget that all processes share.

It is granted requests by the handful and counts them here, so that the shared budget is asked once for many. What was
not needed is given back, and a registry's "not now" is passed on at once.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol

import httpx

from uptainer.core.budgets import NO_NEWS, NOTHING, PULL, REQUEST, Account, Cost, Fault, Grant, Hold, Urgency
from uptainer.core.clock import utc_now
from uptainer.core.enums import QuotaUnit
from uptainer.core.errors import QuotaSpentError, RateLimitedError, UptainerError
from uptainer.images.answers import read_retry_after
from uptainer.images.quotas import read_quota

HANDFUL = Cost(requests=24, pulls=6)
"""What is asked of the shared budget at one time."""
FRESH = timedelta(seconds=2)
"""How long a grant holds: the longest time that one process goes on after another was told to stop."""
UNSAID = timedelta(minutes=1)
"""How long a registry is left alone that says "too many requests" and not for how long."""


class Ledger(Protocol):
    """The shared budgets."""

    def exchange(self, registry: str, account: Account, wanted: Cost, urgency: Urgency) -> Grant:
        """Tell what was used and seen, and be granted more; asking for nothing is allowed."""
        ...


@dataclass(slots=True)
class _Purse:
    """One registry's grant. `news` is what the ledger does not know yet."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    left: Cost = NOTHING
    refusal: Hold | None = None
    until: datetime | None = None
    news: Account = NO_NEWS


class Meter(Protocol):
    """What a registry client asks before each request, and tells after it."""

    async def admit(self, registry: str, cost: Cost) -> None: ...

    async def observe(self, registry: str, response: httpx.Response) -> None: ...

    async def hold(self, registry: str, error: RateLimitedError) -> None: ...

    async def aclose(self) -> None: ...


@dataclass(slots=True)
class SharedMeter:
    """One client's. `call` runs the ledger, which waits for a database, beside the event loop."""

    ledger: Ledger
    urgency: Urgency = Urgency.SWEEP
    clock: Callable[[], datetime] = utc_now
    call: Callable[..., Awaitable[Grant]] = asyncio.to_thread
    _purses: defaultdict[str, _Purse] = field(default_factory=lambda: defaultdict(_Purse))

    async def admit(self, registry: str, cost: Cost) -> None:
        """Take one request out of the purse.

        Raises:
            QuotaSpentError: there is room for requests, and none for one that counts as a pull.
            RateLimitedError: the registry is to be left alone.
        """
        purse = self._purses[registry]
        async with purse.turn:
            if not (self._is_fresh(purse) and purse.left.covers(cost)):
                await self._exchange(registry, purse, HANDFUL)
            if not purse.left.covers(cost):
                raise self._refusal(registry, cost, purse)
            purse.left -= cost

    async def observe(self, registry: str, response: httpx.Response) -> None:
        """Note what the answer says of the quota; a "not now" is told to all others at once."""
        now = self.clock()
        purse = self._purses[registry]
        if quota := read_quota(response.headers, now):
            purse.news = replace(purse.news, quota=quota)
        if response.status_code != httpx.codes.TOO_MANY_REQUESTS:
            return
        fault = Fault(f"{registry} answered 429: too many requests", now)
        purse.news = replace(purse.news, fault=fault)
        # Pulls that are used up hold nothing else off, unless what was refused was none.
        spent = quota and quota.unit is QuotaUnit.PULL and quota.remaining == 0
        if not (spent and cost_of(response.request.method, response.request.url.path).pulls):
            until = now + (read_retry_after(response, now) or UNSAID)
            purse.news = replace(purse.news, hold=Hold(until, "it answered 429"))
        async with purse.turn:
            await self._exchange(registry, purse, NOTHING)

    async def hold(self, registry: str, error: RateLimitedError) -> None:
        """Its token server said "not now", without which the registry can't be asked either."""
        now = self.clock()
        purse = self._purses[registry]
        hold = Hold(now + (error.retry_after or UNSAID), "its token server answered 429")
        purse.news = replace(purse.news, hold=hold, fault=Fault(str(error), now))
        async with purse.turn:
            await self._exchange(registry, purse, NOTHING)

    async def aclose(self) -> None:
        """Give back what was not needed, and tell what is still untold."""
        for registry, purse in self._purses.items():
            if purse.left != NOTHING or purse.news != NO_NEWS:
                await self._exchange(registry, purse, NOTHING)

    def _is_fresh(self, purse: _Purse) -> bool:
        return purse.until is not None and self.clock() < purse.until

    async def _exchange(self, registry: str, purse: _Purse, wanted: Cost) -> None:
        account = replace(purse.news, unused=purse.left)
        purse.left, purse.news = NOTHING, NO_NEWS
        try:
            granted = await self.call(self.ledger.exchange, registry, account, wanted, self.urgency)
        except UptainerError:
            purse.left, purse.news = account.unused, _joined(account, purse.news)  # told with the next
            raise
        purse.left, purse.refusal = granted.allowed, granted.refusal
        purse.until = self.clock() + FRESH

    def _refusal(self, registry: str, cost: Cost, purse: _Purse) -> RateLimitedError:
        assert purse.refusal is not None, "what is not granted is refused with a reason"
        kind = QuotaSpentError if cost.pulls and purse.left.covers(REQUEST) else RateLimitedError
        return refused(registry, purse.refusal, self.clock(), kind)


def _joined(older: Account, newer: Account) -> Account:
    return Account(
        quota=newer.quota or older.quota, hold=newer.hold or older.hold, fault=newer.fault or older.fault
    )


def refused(
    registry: str, hold: Hold, now: datetime, kind: type[RateLimitedError] = RateLimitedError
) -> RateLimitedError:
    """The error of a request that is not sent."""
    said = f"{registry} is rate limited until {hold.until:%Y-%m-%d %H:%M:%S} UTC: {hold.reason}"
    return kind(said, retry_after=max(hold.until - now, timedelta(0)))


def cost_of(method: str, path: str) -> Cost:
    """What a request costs: reading a manifest is a pull, asking what a tag stands for (HEAD) is none."""
    return PULL if method == "GET" and "/manifests/" in path else REQUEST
