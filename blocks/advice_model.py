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

    input_price: Decimal | None = Field(
        default=None,
        ge=0,
        title="Price of a million tokens that it reads",
        description="In any currency; with both prices, what each question costs is counted.",
    )
    output_price: Decimal | None = Field(
        default=None,
        ge=0,
        title="Price of a million tokens that it writes",
        description="In the same currency.",
    )
    cost_per_day: Decimal | None = Field(
        default=None,
        gt=0,
        title="Most cost in a day",
        description="In that currency, by all workers together, in a day of UTC. Spent, the rules alone advise.",
    )
    tokens_per_day: int | None = Field(
        default=None,
        gt=0,
        title="Most tokens in a day",
        description="Read and written; for where no price is known.",
    )
    questions_per_day: int | None = Field(default=None, gt=0, title="Most questions in a day")
    seconds_per_day: int | None = Field(
        default=None, gt=0, title="Most seconds in a day", description="That its answers take, all together."
    )

    @model_validator(mode="after")
    def _must_be_complete(self) -> Self:
        if self.provider == "anthropic" and not self.api_key.get_secret_value():
            raise ValueError("Anthropic wants a key")
        if self.provider != "anthropic" and self.base_url is None:
            raise ValueError("give the server's address")
        if (self.input_price is None) is not (self.output_price is None):
            raise ValueError("give both prices, of what it reads and of what it writes, or neither")
        if self.cost_per_day is not None and self.input_price is None:
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
                self.cost_per_day, self.tokens_per_day, self.questions_per_day, self.seconds_per_day
            ),
        )

    def _prices(self) -> Prices | None:
        if self.input_price is None or self.output_price is None:
            return None
        return Prices(self.input_price, self.output_price)
