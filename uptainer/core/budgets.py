"""What a registry may be asked: its own quota, our cap on it, and who comes first when little is left.

A budget is a value, and each rule here gives a new one. It is kept where all processes see it, and asked for many
requests at a time: a `Grant` is what one process may send before it asks again.

Source: https://docs.docker.com/docker-hub/usage/pulls/ for what counts as a pull.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self

from uptainer.core.enums import QuotaUnit

RESERVE_PERCENT = 20
"""What is kept for what is most wanted, of a quota and of a cap, where nothing else was said."""
LONGEST_HOLD = timedelta(hours=24)
"""A registry that asks us to stay away for longer, or says that its quota is spent for longer, is asked again after this."""


class Urgency(StrEnum):
    """A sweep leaves the reserve; what somebody waits for may use it."""

    SWEEP = "sweep"
    WANTED = "wanted"


@dataclass(frozen=True, slots=True)
class Cost:
    """`pulls` are those of the `requests` that read a manifest: all that Docker Hub counts."""

    requests: int = 0
    pulls: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.requests + other.requests, self.pulls + other.pulls)

    def __sub__(self, other: "Cost") -> "Cost":
        return Cost(self.requests - other.requests, self.pulls - other.pulls)

    def covers(self, other: "Cost") -> bool:
        return self.requests >= other.requests and self.pulls >= other.pulls


NOTHING = Cost()
REQUEST = Cost(requests=1)
PULL = Cost(requests=1, pulls=1)
SCAN = Cost(requests=4, pulls=2)
"""It is looked up which manifest would run; a scanner then reads that, the configuration and the layers."""


@dataclass(frozen=True, slots=True)
class Quota:
    """What the registry itself says is left. `resets_at` is when all of it is there again, at the latest.

    `source` is whom it counts by, as it says it: an address or an account.
    """

    unit: QuotaUnit
    remaining: int
    limit: int | None = None
    resets_at: datetime | None = None
    source: str | None = None
    seen_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Cap:
    """Our own bound: so many requests in any such window."""

    requests: int
    window: timedelta


@dataclass(frozen=True, slots=True)
class Hold:
    """The registry is left alone until then."""

    until: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Fault:
    """What the registry last refused, or failed to answer."""

    message: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Account:
    """What one process tells of the requests that it was granted: what it did not need, and what it was told."""

    unused: Cost = NOTHING
    quota: Quota | None = None
    hold: Hold | None = None
    fault: Fault | None = None


NO_NEWS = Account()


@dataclass(frozen=True, slots=True)
class Grant:
    """What may be sent; where that is less than was wanted, `refusal` says why and until when."""

    allowed: Cost
    refusal: Hold | None = None


@dataclass(frozen=True, slots=True)
class Budget:
    """One registry's. `spent` are the requests since `spent_since`, in the cap's window."""

    registry: str
    spent_since: datetime
    spent: int = 0
    quota: Quota | None = None
    cap: Cap | None = None
    reserve_percent: int = RESERVE_PERCENT
    hold: Hold | None = None
    fault: Fault | None = None

    @property
    def remaining(self) -> str:
        """What the registry says is left, for a person."""
        if self.quota is None:
            return "not said"
        return f"{self.quota.remaining}/{self.quota.limit or '?'}"

    def at(self, now: datetime) -> Self:
        """As it stands now: what has run out meanwhile is no longer there."""
        fresh = self
        if self.cap is None or now >= self.spent_since + self.cap.window:
            fresh = replace(fresh, spent=0, spent_since=now)
        if self.hold is not None and now >= self.hold.until:
            fresh = replace(fresh, hold=None)
        quota = self.quota
        if quota is not None and quota.resets_at is not None and now >= quota.resets_at:
            full = None if quota.limit is None else replace(quota, remaining=quota.limit, resets_at=None)
            fresh = replace(fresh, quota=full)
        return fresh

    def after(self, account: Account, now: datetime) -> Self:
        """With what a process tells of it. What the registry says counts for more than what we reckon."""
        given_back = self._less(NOTHING - account.unused)
        hold = _later(given_back.hold, _bounded(account.hold, now))
        quota = _soon_again(account.quota, now) or given_back.quota
        return replace(given_back, quota=quota, hold=hold, fault=account.fault or given_back.fault)

    def grant(self, wanted: Cost, urgency: Urgency) -> tuple[Self, Grant]:
        """As much of it as there is, and the budget without that."""
        if self.hold is not None:
            return self, Grant(NOTHING, self.hold)
        requests, too_many = self._room(wanted.requests, QuotaUnit.REQUEST, urgency)
        pulls, too_much = self._room(wanted.pulls, QuotaUnit.PULL, urgency)
        allowed = Cost(requests, min(pulls, requests))
        return self._less(allowed), Grant(allowed, too_many or too_much)

    def _room(self, wanted: int, unit: QuotaUnit, urgency: Urgency) -> tuple[int, Hold | None]:
        """How much of what is wanted there is, and what is in the way of the rest: the narrowest of the bounds."""
        room, refusal = wanted, None
        for left, total, until, what in self._bounds(unit):
            kept = total * self.reserve_percent // 100 if urgency is Urgency.SWEEP else 0
            free = max(left - kept, 0)
            if free < room:
                kept_back = f"the last {kept} of {what} are kept for what is most wanted"
                room, refusal = (
                    free,
                    Hold(until, kept_back if kept and left > 0 else f"all of {what} are used"),
                )
        return room, refusal

    def _bounds(self, unit: QuotaUnit) -> list[tuple[int, int, datetime, str]]:
        bounds = []
        if self.cap is not None and unit is QuotaUnit.REQUEST:
            end = self.spent_since + self.cap.window
            bounds.append(
                (self.cap.requests - self.spent, self.cap.requests, end, f"our {self.cap.requests} requests")
            )
        quota = self.quota
        if quota is not None and quota.unit is unit and quota.resets_at is not None:
            total = quota.limit or quota.remaining
            bounds.append((quota.remaining, total, quota.resets_at, f"its {total} {unit}s"))
        return bounds

    def _less(self, cost: Cost) -> Self:
        quota = self.quota
        if quota is not None:
            left = quota.remaining - (cost.pulls if quota.unit is QuotaUnit.PULL else cost.requests)
            most = left if quota.limit is None else min(left, quota.limit)
            quota = replace(quota, remaining=max(most, 0))
        return replace(self, quota=quota, spent=max(self.spent + cost.requests, 0))


def _later(one: Hold | None, other: Hold | None) -> Hold | None:
    return max((each for each in (one, other) if each), key=lambda each: each.until, default=None)


def _soon_again(quota: Quota | None, now: datetime) -> Quota | None:
    if quota is None or quota.resets_at is None:
        return quota
    return replace(quota, resets_at=min(quota.resets_at, now + LONGEST_HOLD))


def _bounded(hold: Hold | None, now: datetime) -> Hold | None:
    return hold and replace(hold, until=min(hold.until, now + LONGEST_HOLD))
