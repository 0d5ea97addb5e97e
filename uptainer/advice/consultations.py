"""How a question to a model is counted and kept, while it is asked."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from uptainer.core.consultations import Consultation, Turn, Usage


@dataclass(slots=True)
class Transcript:
    """Filled in by a model's client while it asks, so that it is there when the answer is an error, too.

    `unmetered`: what a request took is not known, for it was given up while it was under way, or the server does not
    say; it is never taken for nothing.
    """

    turns: list[Turn] = field(default_factory=list)
    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    unmetered: bool = False


@dataclass(frozen=True, slots=True)
class Reservation:
    """Room that was set aside for one question, at the time `at`: it counts for that day."""

    at: datetime
    wanted: Usage
    seconds: float


class Ledger(Protocol):
    """Where questions are counted and kept, shared by all who ask."""

    async def reserve(self, wanted: Usage, now: datetime) -> Reservation:
        """Set room aside, at one time with nobody else.

        Raises:
            RefusedError: the day's budget is spent; the message says which.
        """
        ...

    async def settle(self, reserved: Reservation, used: Usage) -> None:
        """Count what was really used in the place of what was set aside."""
        ...

    async def keep(self, consultation: Consultation) -> int | None:
        """Its number, by which a recommendation names it; None where nothing keeps it."""
        ...


@dataclass(frozen=True, slots=True)
class OpenLedger:
    """No limit, and kept in memory: for measuring a model."""

    kept: list[Consultation] = field(default_factory=list)

    async def reserve(self, wanted: Usage, now: datetime) -> Reservation:
        return Reservation(now, wanted, wanted.seconds)

    async def settle(self, reserved: Reservation, used: Usage) -> None:
        """Nothing is counted here."""

    async def keep(self, consultation: Consultation) -> int | None:
        self.kept.append(consultation)
        return None
