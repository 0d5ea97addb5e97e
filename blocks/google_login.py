from typing import ClassVar

from pydantic import Field, HttpUrl, SecretStr, field_validator

from blocks.registry_login import RegistryLogin, check_provider
from uptainer.core.errors import InvalidInputError
from uptainer.images.access import PLAIN, Access
from uptainer.images.providers.google import DOMAINS, GoogleLogin, read_key


class GoogleArtifactRegistry(RegistryLogin):
    """Google's Artifact Registry and Container Registry: an access token for an hour is asked for."""

    _block_type_name: ClassVar[str | None] = "Google Artifact Registry"
    _block_type_slug: ClassVar[str | None] = "google-artifact-registry"
    _description: ClassVar[str | None] = (
        "The login for Artifact Registry or gcr.io, asked for with a service account's key, or what Google gives this "
        "machine."
    )
    _documentation_url: ClassVar[HttpUrl | None] = HttpUrl(
        "https://cloud.google.com/artifact-registry/docs/docker/authentication"
    )

    service_account: SecretStr = Field(
        default=SecretStr(""),
        title="Service account key",
        description=(
            "The whole JSON file. Empty for the credentials that Google's tools find where Uptainer runs: environment, "
            "gcloud, machine, pod."
        ),
    )

    @field_validator("registry")
    @classmethod
    def _must_be_a_clouds(cls, value: str) -> str:
        return check_provider(value, DOMAINS, "Google's")

    @field_validator("service_account")
    @classmethod
    def _must_be_a_key(cls, value: SecretStr) -> SecretStr:
        try:
            if value.get_secret_value().strip():
                read_key(value.get_secret_value())
        except InvalidInputError as error:
            raise ValueError(str(error)) from error
        return value

    def login(self, _access: Access = PLAIN) -> GoogleLogin:
        return GoogleLogin(self.registry, self.service_account.get_secret_value().strip())
