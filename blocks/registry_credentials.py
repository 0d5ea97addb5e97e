from typing import ClassVar, Self

from pydantic import Field, HttpUrl, SecretStr, model_validator

from blocks.registry_login import RegistryLogin
from uptainer.core.reference import DOCKER_HUB
from uptainer.images.access import PLAIN, Access
from uptainer.images.credential import Credential


class RegistryCredentials(RegistryLogin):
    """The login for one registry: a user name with a password or access token, an identity token, or a bearer token."""

    _block_type_name: ClassVar[str | None] = "Registry credentials"
    _block_type_slug: ClassVar[str | None] = "registry-credentials"
    _description: ClassVar[str | None] = (
        "The login for one registry (Docker Hub, GHCR, Quay, GitLab, Harbor, and any other with a user name and a "
        "token); it is sent to that registry and to no other."
    )
    _documentation_url: ClassVar[HttpUrl | None] = HttpUrl(
        "https://docs.docker.com/reference/cli/docker/login/"
    )

    username: str = Field(
        default="",
        title="User name",
        description=(
            "Docker Hub: yours, or the organization's. GHCR: yours. Quay: the robot's, `team+robot`. "
            "GitLab: the deploy token's. Harbor: the robot's, `robot$name`. Empty where there is only a token below."
        ),
    )
    password: SecretStr = Field(
        default=SecretStr(""),
        title="Password or access token",
        description="An access token that may only read is better than the password.",
    )
    identity_token: SecretStr = Field(
        default=SecretStr(""),
        title="Identity token",
        description="In place of both, for registries that give one out: it is exchanged for access tokens.",
    )
    bearer_token: SecretStr = Field(
        default=SecretStr(""),
        title="Bearer token",
        description="In place of all, for registries that take one as it is: it is sent with each request.",
    )

    @model_validator(mode="after")
    def _must_be_a_login(self) -> Self:
        complete = bool(self.username) and bool(self.password.get_secret_value())
        tokens = (self.identity_token.get_secret_value(), self.bearer_token.get_secret_value())
        if not complete and not any(tokens):
            raise ValueError("give a user name and a password, or an identity token, or a bearer token")
        return self

    @model_validator(mode="after")
    def _must_be_what_the_registry_takes(self) -> Self:
        if self.registry == DOCKER_HUB and "@" in self.username:
            raise ValueError("Docker Hub takes the user name here, and not the mail address")
        if self.registry == "ghcr.io" and self.password.get_secret_value().startswith("github_pat_"):
            raise ValueError(
                "GHCR takes no fine-grained token: make a classic one with the scope read:packages"
            )
        return self

    def login(self, _access: Access = PLAIN) -> Credential:
        return self.credential()

    def credential(self) -> Credential:
        return Credential(
            username=self.username,
            password=self.password.get_secret_value(),
            identity_token=self.identity_token.get_secret_value(),
            registry_token=self.bearer_token.get_secret_value(),
        )
