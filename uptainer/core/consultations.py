"""What a language model was asked and what it answered, whole, as it is kept for audit; and what that took."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from uptainer.core.enums import ModelProvider, RecommendationType


class Speaker(StrEnum):
    """UPTAINER is what a model is told when its answer has no right form."""

    MODEL = "model"
    UPTAINER = "uptainer"


@dataclass(frozen=True, slots=True)
class Turn:
    speaker: Speaker
    text: str


@dataclass(frozen=True, slots=True)
class Usage:
    """`cost` is None where no prices are known; `seconds` is the time that answers took."""

    calls: int = 0
    seconds: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: Decimal | None = None

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True, slots=True)
class Consultation:
    """One question to a model, with what came of it; no key is in it.

    `usage.calls` counts the requests; `error` says why there is no answer, where there is none.
    """

    at: datetime
    provider: ModelProvider
    model: str
    workload: str
    image: str
    version_before: str
    version_after: str
    instructions: str
    question: str
    turns: tuple[Turn, ...]
    usage: Usage
    decision: RecommendationType | None = None
    risk: int | None = None
    error: str = ""
