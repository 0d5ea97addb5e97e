from typing import ClassVar, Literal, Self

from prefect.blocks.core import Block
from pydantic import Field, HttpUrl, SecretStr, field_validator, model_validator

from uptainer.core.enums import NoticeSeverity
from uptainer.core.errors import InvalidInputError
from uptainer.notices.channel import AppriseChannel
from uptainer.notices.rules import IMMEDIATELY, Rules, read_events, read_when


class Notifier(Block):
    """One recipient, and what it is told when. Every Notifier block counts; several may have one recipient."""

    _block_type_name: ClassVar[str | None] = "Notifier"
    _block_type_slug: ClassVar[str | None] = "notifier"
    _description: ClassVar[str | None] = (
        "A mail address, a chat or a webhook, by an Apprise URL, and what it is told when."
    )
    _documentation_url: ClassVar[HttpUrl | None] = HttpUrl("https://github.com/caronc/apprise/wiki")

    url: SecretStr = Field(
        title="Apprise URL",
        description="`mailtos://user:password@smtp.example.org?to=ops@example.org`, `ntfys://ntfy.sh/topic`, "
        "`jsons://example.org/hook`; one recipient, and a block for each.",
    )
    events: list[str] = Field(
        default_factory=list,
        title="Events",
        description="Such as `update.waiting`, or with a pattern: `update.*`, `host.*`, `*`. Empty: all but "
        "`update.proposed`, `.approved`, `.started`, `.rejected` and `.superseded`.",
    )
    severity: Literal["info", "warning", "critical"] = Field(
        default="info", title="Least severity", description="What matters less is not told here."
    )
    hosts: list[str] = Field(
        default_factory=list, title="Hosts", description="Names or patterns, such as `prod-*`. Empty: all."
    )
    projects: list[str] = Field(
        default_factory=list,
        title="Projects",
        description="Compose projects or namespaces, or patterns. Empty: all, and what has none.",
    )
    when: str = Field(
        default=IMMEDIATELY,
        title="When",
        description="`immediately`, or a digest such as `daily 08:00 Europe/Berlin`.",
    )

    @field_validator("url")
    @classmethod
    def _must_be_known_to_apprise(cls, value: SecretStr) -> SecretStr:
        try:
            AppriseChannel(value.get_secret_value())
        except InvalidInputError as error:
            raise ValueError(str(error)) from error
        return value

    @model_validator(mode="after")
    def _must_be_rules(self) -> Self:
        try:
            self.rules  # noqa: B018 -- reading them is the check
        except InvalidInputError as error:
            raise ValueError(str(error)) from error
        return self

    @property
    def rules(self) -> Rules:
        return Rules(
            events=read_events(self.events),
            severity=NoticeSeverity(self.severity),
            hosts=tuple(self.hosts),
            projects=tuple(self.projects),
            daily=read_when(self.when),
        )

    def channel(self) -> AppriseChannel:
        return AppriseChannel(self.url.get_secret_value())
