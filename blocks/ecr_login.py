from typing import ClassVar, Self

from pydantic import Field, HttpUrl, SecretStr, model_validator

from blocks.registry_login import RegistryLogin
from uptainer.core.errors import InvalidInputError
from uptainer.images.access import PLAIN, Access
from uptainer.images.providers.ecr import EcrLogin, region_of


class AmazonEcr(RegistryLogin):
    """Amazon ECR, private or public: a password for twelve hours is asked for with AWS's credentials."""

    _block_type_name: ClassVar[str | None] = "Amazon ECR"
    _block_type_slug: ClassVar[str | None] = "amazon-ecr"
    _description: ClassVar[str | None] = (
        "The login for a registry of Amazon ECR, asked for with an access key, a role, or what AWS gives this machine."
    )
    _documentation_url: ClassVar[HttpUrl | None] = HttpUrl(
        "https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry_auth.html"
    )

    access_key_id: str = Field(
        default="",
        title="Access key ID",
        description="Empty for the credentials that AWS's tools find where Uptainer runs: environment, files, instance, pod.",
    )
    secret_access_key: SecretStr = Field(
        default=SecretStr(""), title="Secret access key", description="The secret of that access key."
    )
    session_token: SecretStr = Field(
        default=SecretStr(""), title="Session token", description="Only for a temporary access key."
    )
    role_arn: str = Field(
        default="",
        title="Role",
        description="The ARN of a role to take on first, for a registry in another account.",
        examples=["arn:aws:iam::123456789012:role/uptainer"],
    )
    external_id: SecretStr = Field(
        default=SecretStr(""), title="External ID", description="Where the role asks for one."
    )

    @model_validator(mode="after")
    def _must_fit_together(self) -> Self:
        try:
            region_of(self.registry)
        except InvalidInputError as error:
            raise ValueError(str(error)) from error
        if bool(self.access_key_id) != bool(self.secret_access_key.get_secret_value()):
            raise ValueError("an access key ID and its secret go together: give both, or neither")
        if self.session_token.get_secret_value() and not self.access_key_id:
            raise ValueError("a session token goes with its access key")
        return self

    def login(self, _access: Access = PLAIN) -> EcrLogin:
        return EcrLogin(
            self.registry,
            self.access_key_id.strip(),
            self.secret_access_key.get_secret_value().strip(),
            self.session_token.get_secret_value().strip(),
            self.role_arn.strip(),
            self.external_id.get_secret_value(),
        )
