from typing import ClassVar, Literal, Self

from prefect.blocks.core import Block
from pydantic import Field, HttpUrl, SecretStr, field_validator, model_validator

from uptainer.advice.forges import KNOWN, ReleaseHost, check_root
from uptainer.advice.projects import ANY
from uptainer.core.enums import Forge
from uptainer.core.errors import InvalidInputError


class ReleaseNotesHost(Block):
    """A server whose release notes are read when an image names a project on it. Public ones that many use are known."""

    _block_type_name: ClassVar[str | None] = "Release notes host"
    _block_type_slug: ClassVar[str | None] = "release-notes-host"
    _description: ClassVar[str | None] = (
        "A GitHub, GitLab, Gitea or Forgejo whose release notes are read, and a token for it."
    )
    _documentation_url: ClassVar[HttpUrl | None] = HttpUrl(
        "https://specs.opencontainers.org/image-spec/annotations/"
    )

    host: str = Field(
        min_length=1,
        title="Host",
        description="As images name it, such as `git.example.org`. `*` is every public host that nobody named.",
    )
    kind: Literal["", "github", "gitlab", "gitea"] = Field(
        default="",
        title="Kind of server",
        description="What it speaks; empty: it is asked once. Forgejo is `gitea`.",
    )
    address: HttpUrl | None = Field(
        default=None,
        title="Address",
        description="Where it is reached, if not at `https://` and the host; `http` only on this machine.",
    )
    token: SecretStr = Field(
        default=SecretStr(""),
        title="Token",
        description="For projects that are not public, and a higher limit. It goes to this server only.",
    )

    @field_validator("host")
    @classmethod
    def _must_be_a_name(cls, value: str) -> str:
        if "/" in value or ":" in value or value != value.strip():
            raise ValueError("the host alone, such as git.example.org: no https://, no path and no port")
        return value.lower()

    @model_validator(mode="after")
    def _must_be_reachable(self) -> Self:
        if self.host == ANY and (self.kind or self.address or self.token.get_secret_value()):
            raise ValueError(
                "`*` has no kind, address or token: a server that needs one has a block of its own"
            )
        try:
            check_root(self._root())
        except InvalidInputError as error:
            raise ValueError(str(error)) from error
        return self

    def entry(self) -> tuple[str, ReleaseHost]:
        """The host's name, and how it is asked; what is not said here is as it is known."""
        known = KNOWN.get(self.host)
        forge = Forge(self.kind) if self.kind else known.forge if known and self.address is None else None
        return self.host, ReleaseHost(self._root(), forge, self.token.get_secret_value())

    def _root(self) -> str:
        if self.address is not None:
            return str(self.address).rstrip("/")
        known = KNOWN.get(self.host)
        return known.root if known else f"https://{'any.invalid' if self.host == ANY else self.host}"
