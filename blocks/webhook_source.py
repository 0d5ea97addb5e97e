from typing import ClassVar

from prefect.blocks.core import Block
from pydantic import ConfigDict, Field, HttpUrl, SecretStr, field_validator

from uptainer.core.enums import WebhookKind
from uptainer.core.errors import InvalidInputError
from uptainer.core.reference import Reference
from uptainer.webhooks.proofs import LEAST_SECRET, Source


class WebhookSource(Block):
    """A registry that tells when something is pushed; the block's name is a part of the address that it tells it to."""

    model_config = ConfigDict(hide_input_in_errors=True)

    _block_type_name: ClassVar[str | None] = "Webhook source"
    _block_type_slug: ClassVar[str | None] = "webhook-source"
    _description: ClassVar[str | None] = (
        "A registry whose webhook is received, and the secret that proves it."
    )
    _documentation_url: ClassVar[HttpUrl | None] = HttpUrl(
        "https://distribution.github.io/distribution/about/notifications/"
    )

    kind: WebhookKind = Field(
        title="Kind",
        description="Whose notification it is: `docker-hub`, `github`, `harbor`, `quay`, `distribution`, or `generic`.",
    )
    secret: SecretStr = Field(
        title="Secret",
        description="At least 16 characters. GitHub signs with it; all others send it as the Authorization header, or "
        "as the last part of the address.",
    )
    registry: str = Field(
        default="",
        title="Registry",
        description="How your images' references call this registry, where its notifications call it otherwise: "
        "`registry.example.org:5000`.",
    )

    @field_validator("secret")
    @classmethod
    def _must_be_long(cls, value: SecretStr) -> SecretStr:
        given = value.get_secret_value()
        if len(given) < LEAST_SECRET or not given.isascii() or not given.isprintable() or " " in given:
            raise ValueError(
                f"a secret has at least {LEAST_SECRET} characters, all of ASCII and without spaces"
            )
        return value

    @field_validator("registry")
    @classmethod
    def _must_be_a_host(cls, value: str) -> str:
        try:
            found = Reference.parse(f"{value}/repository").registry if value else ""
        except InvalidInputError as error:
            raise ValueError(str(error)) from error
        if found != value:
            raise ValueError(f"{value!r} is not a registry's host name: write it like ghcr.io, with no path")
        return found

    def source(self) -> Source:
        return Source(self.kind, self.secret.get_secret_value(), self.registry)
