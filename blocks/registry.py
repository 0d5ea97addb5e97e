from typing import ClassVar, Self

from pydantic import Field, HttpUrl, SecretStr, model_validator

from blocks import pasted
from blocks.registry_login import OfRegistry
from uptainer.core.errors import InvalidInputError
from uptainer.images.access import Access, Certificates, Mirror
from uptainer.images.owners import AllowedHosts
from uptainer.images.trust import own_trust


class Registry(OfRegistry):
    """How one registry is reached: certificates, mirrors, and other hosts that it may name. Its login is another block."""

    _block_type_name: ClassVar[str | None] = "Registry"
    _block_type_slug: ClassVar[str | None] = "registry"
    _description: ClassVar[str | None] = (
        "How one registry is reached, where that has to be said: its private CA, its mirrors, its token server elsewhere."
    )
    _documentation_url: ClassVar[HttpUrl | None] = HttpUrl(
        "https://distribution.github.io/distribution/recipes/mirror/"
    )

    ca_certificate: str = Field(
        default="",
        title="TLS: CA certificate",
        description="PEM text: who signed the registry's certificate, where that is nobody whom this machine knows.",
    )
    client_certificate: str = Field(
        default="",
        title="TLS: client certificate",
        description="PEM text: what we show the registry, where it asks who we are.",
    )
    client_key: SecretStr = Field(
        default=SecretStr(""),
        title="TLS: client key",
        description="PEM text, without a passphrase: the key of the client certificate.",
    )
    plain_http: bool = Field(
        default=False,
        title="Plain HTTP, login included",
        description="For a registry without TLS, in a network where nobody else listens: whoever does can read its login.",
    )
    mirrors: list[str] = Field(
        default=[],
        title="Mirrors",
        description="Registries that are asked before this one, in their order, as `mirror.example.org` or `harbor.example.org/hub`.",
    )
    mirrors_complete: bool = Field(
        default=False,
        title="Mirrors know every tag",
        description="Ask them for lists of tags as well. A cache that lists only what it holds would hide newer versions.",
    )
    mirrors_only: bool = Field(
        default=False,
        title="Never ask the registry itself",
        description="For a site without a way to it: what the mirrors do not know is unknown.",
    )
    other_hosts: list[str] = Field(
        default=[],
        title="Other hosts",
        description=(
            "Hosts of somebody else, or in a private network, that the registry may name as its token server or the "
            "place of its content: `auth.example.org`, `*.example.org`, `10.1.0.0/16`."
        ),
    )

    @model_validator(mode="after")
    def _must_fit_together(self) -> Self:
        certificates = self._certificates()
        try:
            access = self.access()
            if certificates is not None:
                own_trust(certificates, shown=True)
        except InvalidInputError as error:
            raise ValueError(str(error)) from error
        if certificates and bool(certificates.certificate) != bool(certificates.key):
            raise ValueError("a client certificate and its key go together: give both, or neither")
        if certificates and self.plain_http:
            raise ValueError("certificates are for TLS: give them, or tick Plain HTTP, and not both")
        if self.mirrors_only and not access.mirrors:
            raise ValueError("a registry that is never asked itself needs a mirror")
        if self.registry in {mirror.registry for mirror in access.mirrors}:
            raise ValueError(f"{self.registry} is no mirror of itself")
        return self

    def access(self) -> Access:
        return Access(
            certificates=self._certificates(),
            mirrors=tuple(map(Mirror.parse, self.mirrors)),
            complete=self.mirrors_complete,
            mirrors_only=self.mirrors_only,
            allowed=AllowedHosts.parse(self.other_hosts),
            plain=self.plain_http,
        )

    def _certificates(self) -> Certificates | None:
        parts = (self.ca_certificate, self.client_certificate, self.client_key.get_secret_value())
        return Certificates(*map(pasted.pem, parts)) if any(parts) else None
