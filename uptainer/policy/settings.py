"""What can be said in a policy: partly, in one layer (`PolicySettings`), and whole (`EffectivePolicy`)."""

from collections.abc import Collection, Mapping
from datetime import timedelta
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from uptainer.core.enums import ChangeLevel, Consistency, PolicyMode, PolicyScope, Severity
from uptainer.core.errors import InvalidInputError
from uptainer.policy.durations import Duration
from uptainer.policy.fields import (
    AutoLevel,
    Command,
    Count,
    Documents,
    FastTrack,
    Freezes,
    GitOps,
    Level,
    Limit,
    Names,
    Pattern,
    TagScheme,
    Tolerance,
    Transform,
    Trusts,
    Unscanned,
    Unsigned,
    Windows,
)
from uptainer.policy.probes import Probe
from uptainer.policy.windows import Freeze, Window

NOTHING_CHECKED: Mapping[str, Collection[str]] = MappingProxyType({})


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _suggest(cls, data: Any) -> Any:
        """An unknown field is refused with the one that was probably meant."""
        for name in data if isinstance(data, Mapping) else ():
            if name not in cls.model_fields:
                near = get_close_matches(str(name), cls.model_fields, n=1)
                raise ValueError(
                    f"a policy has no {name!r}" + (f": did you mean {near[0]!r}?" if near else "")
                )
        return data


class PolicySettings(_Model):
    """One layer of policy. A field that is absent or None is not set, and a more general layer decides it."""

    enabled: bool | None = None
    mode: PolicyMode | None = None
    level: Level | None = None
    auto_level: AutoLevel | None = None
    tag_scheme: TagScheme | None = None
    tag_include: Pattern | None = None
    tag_exclude: Pattern | None = None
    tag_transform: Transform | None = None
    follow_pinned: bool | None = None
    resolve_versions: bool | None = None
    min_age: Duration | None = None
    windows: Windows | None = None
    freezes: Freezes | None = None
    new_critical_allowed: Limit | None = None
    new_high_allowed: Limit | None = None
    critical_allowed: Limit | None = None
    high_allowed: Limit | None = None
    only_fixable: bool | None = None
    end_of_life: Tolerance | None = None
    secrets: Tolerance | None = None
    vex: Documents | None = None
    unscanned: Unscanned | None = None
    signed_by: Trusts | None = None
    unsigned: Unsigned | None = None
    fast_track: FastTrack | None = None
    fast_track_unattended: bool | None = None
    backup_volumes: bool | None = None
    backup_every: Duration | None = None
    backup_keep: Count | None = None
    backup_keep_for: Duration | None = None
    backup_store: str | None = None
    backup_consistency: Consistency | None = None
    backup_before: Command | None = None
    backup_after: Command | None = None
    backup_hook_timeout: Duration | None = None
    probes: tuple[Probe, ...] | None = None
    soak: Duration | None = None
    health_deadline: Duration | None = None
    stop_timeout: Duration | None = None
    approval_expiry: Duration | None = None
    approvers: str | None = None
    depends_on: Names | None = None
    group: str | None = None
    keep_old_image: Duration | None = None
    keep_old_container: Duration | None = None
    gitops: GitOps | None = None


def parse_settings(
    data: Mapping[str, Any],
    *,
    windows: Mapping[str, Window | str] | None = None,
    freezes: Mapping[str, Freeze | str] | None = None,
    others: Mapping[str, Collection[str]] = NOTHING_CHECKED,
) -> PolicySettings:
    """Read one layer as it is stored or typed; `windows` and `freezes` are the stored ones that it may name, and `others`
    has the names of what else there is by its kind (`TRUST`, `DOCUMENT`), where that is to be checked.

    Raises:
        InvalidInputError: a field is unknown or its value is wrong; the message says each fault.
    """
    context = {Window.noun: windows or {}, Freeze.noun: freezes or {}, **others}
    try:
        return PolicySettings.model_validate(data, context=context)
    except ValidationError as error:
        raise InvalidInputError("; ".join(describe_faults(error))) from error


def describe_faults(error: ValidationError) -> tuple[str, ...]:
    """Each fault as `field: what is wrong`, in plain words."""
    sentences: dict[str, None] = {}
    for fault in error.errors():
        message = fault["msg"].removeprefix("Value error, ")
        name = str(fault["loc"][0]) if fault["loc"] else ""
        sentences[f"{name}: {message}" if name else message] = None
    return tuple(sentences)


class Source(BaseModel):
    """Which layer a field came from: `name` is the policy's target, or the label's name."""

    model_config = ConfigDict(frozen=True)

    scope: PolicyScope = PolicyScope.DEFAULT
    name: str = ""

    def __str__(self) -> str:
        match self.scope:
            case PolicyScope.DEFAULT:
                return "the default policy" if self.name else "the built-in default"
            case PolicyScope.LABEL:
                return f"the label {self.name}" if "." in self.name else f"the policy {self.name}"
            case scope:
                return f"the policy of the {scope.value} {self.name}"


class EffectivePolicy(_Model):
    """A whole policy: its defaults are the built-in ones, and `sources` says where each other field came from.

    `level` is the farthest change that is offered, `auto_level` the farthest that is applied without a person
    in an automatic mode. The allowed counts are of vulnerabilities that a candidate brings (`new_...`) or has at all;
    "any" switches the check off. `vex` are names of stored documents. `stop_timeout` None: the container's own.
    `backup_every` None or zero: only before updates. `soak` is how long it must run without a restart; the built-in one
    is for what has neither probes nor a health check.
    """

    enabled: bool = True
    mode: PolicyMode = PolicyMode.MANUAL
    level: Level = ChangeLevel.MAJOR
    auto_level: AutoLevel = ChangeLevel.MINOR
    tag_scheme: TagScheme = TagScheme.AUTO
    tag_include: Pattern = ""
    tag_exclude: Pattern = ""
    tag_transform: Transform = ""
    follow_pinned: bool = False
    resolve_versions: bool = False
    min_age: Duration = timedelta(0)
    windows: Windows = ()
    freezes: Freezes = ()
    new_critical_allowed: Limit = 0
    new_high_allowed: Limit = 0
    critical_allowed: Limit = "any"
    high_allowed: Limit = "any"
    only_fixable: bool = False
    end_of_life: Tolerance = Tolerance.ALLOW
    secrets: Tolerance = Tolerance.ALLOW
    vex: Names = ()
    unscanned: Unscanned = Unscanned.ASK
    signed_by: Names = ()
    unsigned: Unsigned = Unsigned.BLOCK
    fast_track: FastTrack = Severity.CRITICAL
    fast_track_unattended: bool = False
    backup_volumes: bool = False
    backup_every: Duration | None = None
    backup_keep: Count = 3
    backup_keep_for: Duration = timedelta(days=7)
    backup_store: str = ""
    backup_consistency: Consistency = Consistency.STOP
    backup_before: Command = ()
    backup_after: Command = ()
    backup_hook_timeout: Duration = timedelta(minutes=10)
    probes: tuple[Probe, ...] = ()
    soak: Duration = timedelta(seconds=30)
    health_deadline: Duration = timedelta(minutes=5)
    stop_timeout: Duration | None = None
    approval_expiry: Duration = timedelta(days=14)
    approvers: str = ""
    depends_on: Names = ()
    group: str = ""
    keep_old_image: Duration = timedelta(days=7)
    keep_old_container: Duration = timedelta(0)
    gitops: GitOps = GitOps.REPORT
    sources: Mapping[str, Source] = Field(default_factory=dict)

    def source(self, field: str) -> Source:
        """Where the value of this field came from."""
        return self.sources.get(field, Source())
