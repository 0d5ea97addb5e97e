"""What the blocks with a registry's login have in common."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from prefect.blocks.core import Block
from pydantic import ConfigDict, Field, field_validator

from uptainer.core.errors import InvalidInputError
from uptainer.images.access import PLAIN, Access, registry_name
from uptainer.images.credential import Credential
from uptainer.images.issuing import Login


class OfRegistry(Block):
    """What is for one registry. Not a block by itself."""

    model_config = ConfigDict(hide_input_in_errors=True)

    registry: str = Field(
        title="Registry",
        description="Its host name, with the port where it has one: `ghcr.io`, `docker.io`, `registry.example.org:5000`.",
        examples=["ghcr.io"],
    )

    @field_validator("registry")
    @classmethod
    def _must_be_a_host(cls, value: str) -> str:
        try:
            return registry_name(value)
        except InvalidInputError as error:
            raise ValueError(str(error)) from error


def check_provider(registry: str, domains: Sequence[str], whose: str) -> str:
    """Raises ValueError for a registry that is not below one of these: a cloud's token opens more than a registry."""
    host = registry.partition(":")[0]
    if not any(host == domain or host.endswith(f".{domain}") for domain in domains):
        raise ValueError(
            f"{registry!r} is not a registry of {whose}, whose token is sent to no other: one is below {' or '.join(domains)}"
        )
    return registry


class RegistryLogin(OfRegistry, ABC):
    """The login for one registry. Not a block by itself."""

    @abstractmethod
    def login(self, access: Access = PLAIN) -> Credential | Login:
        """What the registry is shown, or how that is asked for; `access` is how the registry is reached."""
