from datetime import timedelta
from decimal import Decimal
from typing import ClassVar, Literal, Self

from prefect.blocks.core import Block
from pydantic import Field, HttpUrl, SecretStr, model_validator

from uptainer.advice.model import ModelSettings
from uptainer.advice.spending import DailyLimits, Prices
from uptainer.core.enums import ModelProvider


class AdviceModel(Block):
    """A language model that reads release notes. It may only make the advice stricter, never more willing."""

    _block_type_name: ClassVar[str | None] = "Advice model"
    _block_type_slug: ClassVar[str | None] = "advice-model"
    _description: ClassVar[str | None] = (
        "A language model that reads release notes, and may only make the advice stricter."
    )
    _documentation_url: ClassVar[HttpUrl | None] = HttpUrl("https://ai.pydantic.dev/models/overview/")

    provider: Literal["openai-compatible", "anthropic", "ollama"] = Field(
        default="openai-compatible",
        title="Kind of server",
        description="What the server speaks. It is sent release notes, names and versions, and what the rules found.",
    )
    model: str = Field(min_length=1, title="Model", description="Its name, as the server knows it.")
    base_url: HttpUrl | None = Field(
        default=None,
        title="Server",
        description="Its address, such as `http://127.0.0.1:11434/v1`; empty for Anthropic's own.",
    )
    api_key: SecretStr = Field(
        default=SecretStr(""), title="Key", description="Empty where the server wants none."
    )
    timeout_seconds: float = Field(
        default=60.0,
        gt=0,
        le=600,
        title="Patience (seconds)",
        description="A model that takes longer is left out; the rules alone advise then.",
    )

    input_price: float = Field(
        default=0.0,
        ge=0,
        title="Price of a million tokens that it reads",
        description="In any currency; 0 where it is not known. With both prices, what questions cost is counted.",
    )
    output_price: float = Field(
        default=0.0,
        ge=0,
        title="Price of a million tokens that it writes",
        description="In the same currency.",
    )
    cost_per_day: float = Field(
        default=0.0,
        ge=0,
        title="Most cost in a day",
        description="In that currency, by all workers together, in a day of UTC; 0 is no limit. When it is spent, the "
        "rules alone advise.",
    )
    tokens_per_day: int = Field(
        default=0,
        ge=0,
        title="Most tokens in a day",
        description="Read and written, for where no price is known; 0 is no limit.",
    )
    questions_per_day: int = Field(
        default=0,
        ge=0,
        title="Most questions in a day",
        description="One for each candidate that a check advises on; 0 is no limit.",
    )
    seconds_per_day: int = Field(
        default=0,
        ge=0,
        title="Most seconds in a day",
        description="That its answers take, all together; 0 is no limit.",
    )

    @model_validator(mode="after")
    def _must_be_complete(self) -> Self:
        if self.provider == "anthropic" and not self.api_key.get_secret_value():
            raise ValueError("Anthropic wants a key")
        if self.provider != "anthropic" and self.base_url is None:
            raise ValueError("give the server's address")
        if self.cost_per_day and not (self.input_price or self.output_price):
            raise ValueError("a limit of cost needs the prices; without them, give a limit of tokens")
        return self

    def settings(self) -> ModelSettings:
        return ModelSettings(
            provider=ModelProvider(self.provider),
            model=self.model,
            base_url=str(self.base_url or "").rstrip("/"),
            api_key=self.api_key.get_secret_value(),
            timeout=timedelta(seconds=self.timeout_seconds),
            prices=self._prices(),
            limits=DailyLimits(
                cost=_money(self.cost_per_day) if self.cost_per_day else None,
                tokens=self.tokens_per_day or None,
                calls=self.questions_per_day or None,
                seconds=self.seconds_per_day or None,
            ),
        )

    def _prices(self) -> Prices | None:
        if not (self.input_price or self.output_price):
            return None
        return Prices(_money(self.input_price), _money(self.output_price))


def _money(typed: float) -> Decimal:
    """As it was typed: 0.1, and not the nearest binary fraction."""
    return Decimal(str(typed))
