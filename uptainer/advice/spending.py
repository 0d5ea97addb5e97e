"""What a model may cost in a day, and what it did cost; pure. A day is a day of UTC."""

from dataclasses import dataclass
from decimal import Decimal

from uptainer.core.consultations import Usage
from uptainer.core.errors import RefusedError

_MILLION = Decimal(1_000_000)
_PLACES = Decimal("0.000001")
_BYTES_A_TOKEN = 2
"""Fewer than any usual text has, so that what is set aside for a question is seldom less than it costs."""
_LEAST_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Prices:
    """For a million tokens, in whatever unit the limit is in."""

    input: Decimal
    output: Decimal

    def cost(self, input_tokens: int, output_tokens: int) -> Decimal:
        return ((self.input * input_tokens + self.output * output_tokens) / _MILLION).quantize(_PLACES)


@dataclass(frozen=True, slots=True)
class DailyLimits:
    """None is no limit."""

    cost: Decimal | None = None
    tokens: int | None = None
    calls: int | None = None
    seconds: int | None = None


def worst_case(
    prompt: str, *, max_tokens: int, seconds: float, requests: int, prices: Prices | None
) -> Usage:
    """The most that one question takes, as far as that can be said before it is asked."""
    input_tokens = requests * (len(prompt.encode("utf-8", "replace")) // _BYTES_A_TOKEN + max_tokens)
    output_tokens = requests * max_tokens
    cost = prices.cost(input_tokens, output_tokens) if prices is not None else None
    return Usage(1, seconds, input_tokens, output_tokens, cost)


def admit(spent: Usage, limits: DailyLimits, wanted: Usage) -> float:
    """How many seconds the question may take, where there is room for it.

    Raises:
        RefusedError: there is none; the message says which limit is used up.
    """
    _require("questions", limits.calls, spent.calls, wanted.calls)
    _require("tokens", limits.tokens, spent.tokens, wanted.tokens)
    if limits.cost is not None:
        _require("", limits.cost, spent.cost or Decimal(0), wanted.cost or Decimal(0))
    if limits.seconds is None:
        return wanted.seconds
    left = limits.seconds - spent.seconds
    if left < _LEAST_SECONDS:
        raise _spent(f"{limits.seconds} seconds", f"{spent.seconds:.0f} are used")
    return min(wanted.seconds, left)


def _require(unit: str, limit: Decimal | int | None, spent: Decimal | int, wanted: Decimal | int) -> None:
    if limit is None or spent + wanted <= limit:
        return
    used = f"{spent.normalize():f}" if isinstance(spent, Decimal) else f"{spent}"
    needs = f"{wanted.normalize():f}" if isinstance(wanted, Decimal) else f"{wanted}"
    raise _spent(f"{limit} {unit}".strip(), f"{used} used, and this question may take {needs}")


def _spent(budget: str, detail: str) -> RefusedError:
    return RefusedError(f"its budget of {budget} for today (UTC) is spent: {detail}")
