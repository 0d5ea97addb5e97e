"""What may stand in the file that declares a fleet, as editors are told it too. What is not known is refused."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, field_validator

from uptainer.core.enums import NoticeSeverity, PolicyScope, RuntimeType
from uptainer.core.errors import InvalidInputError
from uptainer.core.workloads import HostAddress
from uptainer.notices.rules import IMMEDIATELY, read_events, read_when
from uptainer.policy.allowances import Allowance
from uptainer.policy.fields import Names as PathNames
from uptainer.policy.settings import PolicySettings
from uptainer.runtimes.addresses import DEFAULT_TIMEOUT, parse_address

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]
BlockName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
AnyValue = TypeVar("AnyValue")
WindowText = Annotated[str, WithJsonSchema({"type": "string", "examples": ["Fri 22:00-05:00 Europe/Berlin"]})]

LAYERS = {
    "hosts": PolicyScope.HOST,
    "projects": PolicyScope.PROJECT,
    "labels": PolicyScope.LABEL,
    "containers": PolicyScope.CONTAINER,
}


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class HostDeclaration(_Strict):
    """One engine or cluster; `block` names the Prefect block that holds its keys or its token."""

    url: str
    runtime: RuntimeType | None = None
    block: str | None = None
    timeout: float = Field(default=DEFAULT_TIMEOUT, gt=0, le=600)
    namespaces: tuple[str, ...] = ()
    excluded_namespaces: tuple[str, ...] = ()
    server: Name | None = Field(
        default=None, description="The machine that it stands on, where several hosts share one."
    )

    def address(self, name: str) -> HostAddress:
        """Raises InvalidInputError: the URL is none."""
        return parse_address(
            name,
            self.url,
            runtime=self.runtime,
            block=self.block,
            timeout=self.timeout,
            namespaces=self.namespaces,
            excluded_namespaces=self.excluded_namespaces,
        )


class PoliciesDeclaration(_Strict):
    """The layers, the most general first. Containers by `host/name`, projects by `project` or `host/project`."""

    default: PolicySettings | None = None
    hosts: dict[str, PolicySettings] = {}
    projects: dict[str, PolicySettings] = {}
    labels: dict[str, PolicySettings] = {}
    containers: dict[str, PolicySettings] = {}


class AllowanceDeclaration(_Strict):
    """A finding that is accepted until a day (00:00 UTC) or an instant, and why; what it is for may be narrowed."""

    finding: str
    reason: str
    until: Annotated[datetime, WithJsonSchema({"type": "string", "examples": ["2026-12-24"]})]
    package: str = ""
    image: str = ""
    workload: str = ""
    project: str = ""
    beyond_a_year: bool = False

    def allowance(self, now: datetime) -> Allowance:
        """Raises InvalidInputError: it says too little, or lasts too long."""
        until = self.until if self.until.tzinfo else self.until.replace(tzinfo=UTC)
        scope = self.model_dump(include={"package", "image", "workload", "project"})
        made = Allowance(self.finding, self.reason.strip(), until.astimezone(UTC), **scope)
        return made.checked(now, beyond_a_year=self.beyond_a_year)


class TrustDeclaration(_Strict):
    """Whose signatures count: public keys, or an identity and the root that it is proved against; as paths of files."""

    keys: PathNames = Field(default=(), description="Public keys in PEM (cosign.pub): any of them counts.")
    identity: str = ""
    identity_matches: str = Field(default="", description="An RE2 pattern, which must match the whole.")
    issuer: str = ""
    issuer_matches: str = ""
    root: str = Field(default="", description="Sigstore's trusted_root.json.")
    fulcio: str = Field(
        default="", description="Instead of a root: certificates in PEM, the signing one first."
    )
    rekor: PathNames = ()
    ct_logs: PathNames = ()
    annotations: dict[str, str] = Field(default={}, description="What must have been signed with it.")


class NotifierDeclaration(_Strict):
    """What the Notifier block of this name is told, and when. Its URL is a secret, and stays in the block alone."""

    events: tuple[str, ...] = Field(
        default=(), description="Such as `update.waiting` or `host.*`; none are the usual."
    )
    severity: NoticeSeverity = NoticeSeverity.INFO
    hosts: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()
    when: str = Field(default=IMMEDIATELY, examples=["daily 08:00 Europe/Berlin"])

    @field_validator("events")
    @classmethod
    def _must_be_events(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _checked(read_events, value)

    @field_validator("when")
    @classmethod
    def _must_be_a_time(cls, value: str) -> str:
        return _checked(read_when, value)


def _checked(read: Callable[[AnyValue], object], value: AnyValue) -> AnyValue:
    try:
        read(value)
    except InvalidInputError as error:
        raise ValueError(str(error)) from error
    return value


class Content(_Strict):
    """A file's content; every part may be left out."""

    hosts: dict[Name, HostDeclaration] = {}
    windows: dict[Name, WindowText] = {}
    freezes: dict[Name, WindowText] = {}
    trusts: dict[Name, TrustDeclaration] = Field(
        default={},
        description="By the name that policies have in `signed_by`; paths begin where this file is.",
    )
    vex: dict[Name, str] = Field(
        default={}, description="VEX documents by the name that policies have in `vex`: their paths."
    )
    policies: PoliciesDeclaration = PoliciesDeclaration()
    allowances: tuple[AllowanceDeclaration, ...] = ()
    notifiers: dict[BlockName, NotifierDeclaration] = Field(
        default={}, description="By the name of the Notifier block, which must be there: what it is told."
    )
    credentials: dict[str, str] = Field(default={}, description="Registry: the block that holds its login.")
