from typing import ClassVar, Self

from prefect.blocks.core import Block
from pydantic import Field, HttpUrl, SecretStr, field_validator, model_validator

from uptainer.core.errors import InvalidInputError
from uptainer.core.reference import Reference
from uptainer.images.credentials import Credential


class RegistryCredentials(Block):
    """The login for one registry: a user name with a password or access token, or an identity token."""

    _block_type_name: ClassVar[str | None] = "Registry credentials"
    _block_type_slug: ClassVar[str | None] = "registry-credentials"
    _description: ClassVar[str | None] = (
        "The login for one registry; it is sent to that registry and to no other."
    )
    _documentation_url: ClassVar[HttpUrl | None] = HttpUrl(
        "https://docs.docker.com/reference/cli/docker/login/"
    )

    registry: str = Field(
        title="Registry",
        description="Its host name, with the port where it has one: `ghcr.io`, `docker.io`, `registry.example.org:5000`.",
        examples=["ghcr.io"],
    )
    username: str = Field(
        default="", title="User name", description="Empty where an identity token is given."
    )
    password: SecretStr = Field(
        default=SecretStr(""),
        title="Password",
        description="The password, or better an access token that may only read.",
    )
    identity_token: SecretStr = Field(
        default=SecretStr(""),
        title="Identity token",
        description="In place of both, for registries that give one out.",
    )

    @field_validator("registry")
    @classmethod
    def _must_be_a_host(cls, value: str) -> str:
        name = value.strip().removeprefix("https://").rstrip("/")
        try:
            found = Reference.parse(f"{name}/repository")
        except InvalidInputError as error:
            raise ValueError(str(error)) from error
        if name not in {found.registry, "index.docker.io"}:
            raise ValueError(f"{value!r} is not a registry's host name: write it like ghcr.io, with no path")
        return found.registry

    @model_validator(mode="after")
    def _must_be_a_login(self) -> Self:
        complete = bool(self.username) and bool(self.password.get_secret_value())
        if not complete and not self.identity_token.get_secret_value():
            raise ValueError("give a user name and a password, or an identity token")
        return self

    def credential(self) -> Credential:
        return Credential(
            username=self.username,
            password=self.password.get_secret_value(),
            identity_token=self.identity_token.get_secret_value(),
        )
