from typing import ClassVar, Self

from pydantic import Field, HttpUrl, SecretStr, field_validator, model_validator

from blocks.registry_login import RegistryLogin, check_provider
from uptainer.images.access import PLAIN, Access
from uptainer.images.providers.azure import DOMAINS, AzureLogin


class AzureContainerRegistry(RegistryLogin):
    """Azure Container Registry by way of Microsoft Entra: its token is exchanged for one of the registry's own."""

    _block_type_name: ClassVar[str | None] = "Azure Container Registry"
    _block_type_slug: ClassVar[str | None] = "azure-container-registry"
    _description: ClassVar[str | None] = (
        "The login for a registry of Azure, asked for as a service principal or with a managed identity. For the admin "
        "user or a token of the registry's own, Registry credentials will do."
    )
    _documentation_url: ClassVar[HttpUrl | None] = HttpUrl(
        "https://learn.microsoft.com/azure/container-registry/container-registry-authentication"
    )

    tenant: str = Field(
        default="", title="Tenant", description="The directory's id, for a service principal."
    )
    client_id: str = Field(
        default="",
        title="Client ID",
        description="The service principal's. For a managed identity only where the machine has several.",
    )
    client_secret: SecretStr = Field(
        default=SecretStr(""),
        title="Client secret",
        description="The service principal's. Empty for the managed identity of the machine or pod where Uptainer runs.",
    )

    @field_validator("registry")
    @classmethod
    def _must_be_a_clouds(cls, value: str) -> str:
        return check_provider(value, DOMAINS, "Azure's")

    @model_validator(mode="after")
    def _must_fit_together(self) -> Self:
        if self.client_secret.get_secret_value() and not (self.tenant and self.client_id):
            raise ValueError(
                "a service principal is its tenant, its client ID and its secret: give all three"
            )
        return self

    def login(self, access: Access = PLAIN) -> AzureLogin:
        secret = self.client_secret.get_secret_value().strip()
        return AzureLogin(self.registry, self.tenant.strip(), self.client_id.strip(), secret, access)
