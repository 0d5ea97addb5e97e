"""Labels on a container, read as one layer of policy; what cannot be read is a fault, and never a silent change.

`uptainer.*` labels win over those of other tools; `foreign_labels` holds the tables of the latter. A label that the
container merely inherits from its image was written by the image's author and is not followed.
"""

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from typing import Any

from pydantic import ValidationError

from uptainer.policy.foreign_labels import FOREIGN, NOT_FOLLOWED, is_foreign
from uptainer.policy.settings import PolicySettings, describe_faults
from uptainer.policy.windows import Freeze, Window

PREFIX = "uptainer."
POLICY_LABEL = "uptainer.policy"


@dataclass(frozen=True, slots=True)
class LabelFault:
    """A label that could not be followed, and why; or a stored policy, which has no `value`.

    While there is one, a person must approve each update. Where it is `unread`, what its owner asks of updates is not
    known, and nothing is approved before it is corrected; else it is known, and not done.
    """

    label: str
    value: str | None
    reason: str
    unread: bool = True

    def __str__(self) -> str:
        if self.value is None:
            return f"the {self.label} cannot be read: {self.reason}"
        return f"the label {self.label}={self.value!r} is not followed: {self.reason}"


@dataclass(frozen=True, slots=True)
class LabelReading:
    """`sources` names the label of each field; `policy` is the stored policy that `uptainer.policy` asks for by name."""

    settings: PolicySettings
    sources: Mapping[str, str]
    policy: str | None
    faults: tuple[LabelFault, ...]


def read_labels(
    labels: Mapping[str, str],
    image_labels: Mapping[str, str],
    *,
    windows: Mapping[str, Window | str] | None = None,
    freezes: Mapping[str, Freeze | str] | None = None,
) -> LabelReading:
    """What a container's labels ask for. `windows` and `freezes` are the stored ones that they may name."""
    reading = _Reading({Window.noun: windows or {}, Freeze.noun: freezes or {}})
    for label in sorted(labels, key=lambda each: (not each.startswith(PREFIX), each)):
        reading.take(label, labels[label], inherited=image_labels.get(label) == labels[label])
    reading.build_probes()
    return reading.finish()


def _read_flag(value: str) -> bool:
    match value.strip().lower():
        case "true" | "1" | "yes" | "on":
            return True
        case "false" | "0" | "no" | "off":
            return False
    raise ValueError("write true or false")


def _read_list(value: str) -> list[str]:
    return [word.strip() for word in value.split(",") if word.strip()]


def _read_windows(value: str) -> list[str]:
    return [part.strip() for part in value.split("|") if part.strip()]


def _read_word(value: str) -> str:
    return value.strip().lower().replace("-", "_")


def _read_port(value: str) -> dict[str, Any]:
    return {"kind": "tcp", "port": value.strip()}


def _read_http(value: str) -> dict[str, Any]:
    """`8080`, `8080/healthz` or `https:8443/healthz`."""
    scheme, _, rest = value.strip().rpartition(":")
    port, slash, path = rest.partition("/")
    return {"kind": "http", "scheme": scheme or "http", "port": port, "path": slash + path or "/"}


def _read_command(value: str) -> dict[str, Any]:
    return {"kind": "exec", "command": shlex.split(value)}


def _build_probe(label: str, value: str, extra: dict[str, Any]) -> list[dict[str, Any]]:
    return [_PROBES[label](value) | extra]


def _same(value: Any) -> Any:
    return value


_OWN: dict[str, tuple[str, Callable[[str], Any]]] = {
    "uptainer.enable": ("enabled", _read_flag),
    "uptainer.mode": ("mode", _read_word),
    "uptainer.level": ("level", _read_word),
    "uptainer.auto-level": ("auto_level", _read_word),
    "uptainer.min-age": ("min_age", str),
    "uptainer.windows": ("windows", _read_windows),
    "uptainer.freezes": ("freezes", _read_windows),
    "uptainer.tags.scheme": ("tag_scheme", _read_word),
    "uptainer.tags.include": ("tag_include", str),
    "uptainer.tags.exclude": ("tag_exclude", str),
    "uptainer.tags.transform": ("tag_transform", str),
    "uptainer.tags.follow-pinned": ("follow_pinned", _read_flag),
    "uptainer.group": ("group", str.strip),
    "uptainer.depends-on": ("depends_on", _read_list),
    "uptainer.probe.soak": ("soak", str),
    "uptainer.probe.deadline": ("health_deadline", str),
    "uptainer.stop-timeout": ("stop_timeout", str),
    "uptainer.backup.volumes": ("backup_volumes", _read_flag),
    "uptainer.backup.every": ("backup_every", str),
    "uptainer.backup.keep": ("backup_keep", str.strip),
    "uptainer.backup.keep-for": ("backup_keep_for", str),
    "uptainer.backup.store": ("backup_store", str.strip),
    "uptainer.backup.consistency": ("backup_consistency", _read_word),
    "uptainer.hook.backup-before": ("backup_before", shlex.split),
    "uptainer.hook.backup-after": ("backup_after", shlex.split),
    "uptainer.hook.timeout": ("backup_hook_timeout", str),
    "uptainer.security.new-critical": ("new_critical_allowed", _read_word),
    "uptainer.security.new-high": ("new_high_allowed", _read_word),
    "uptainer.security.critical": ("critical_allowed", _read_word),
    "uptainer.security.high": ("high_allowed", _read_word),
    "uptainer.security.only-fixable": ("only_fixable", _read_flag),
    "uptainer.security.end-of-life": ("end_of_life", _read_word),
    "uptainer.security.secrets": ("secrets", _read_word),
    "uptainer.security.vex": ("vex", _read_list),
    "uptainer.security.unscanned": ("unscanned", _read_word),
    "uptainer.security.signed-by": ("signed_by", _read_list),
    "uptainer.security.unsigned": ("unsigned", _read_word),
    "uptainer.security.fast-track": ("fast_track", _read_word),
    "uptainer.approval.expiry": ("approval_expiry", str),
    "uptainer.gitops": ("gitops", _read_word),
}
_PROBES: dict[str, Callable[[str], dict[str, Any]]] = {
    "uptainer.probe.http": _read_http,
    "uptainer.probe.tcp": _read_port,
    "uptainer.probe.exec": _read_command,
}
_PROBE_TIMEOUT = "uptainer.probe.timeout"
_ALL = (*_OWN, *_PROBES, _PROBE_TIMEOUT, POLICY_LABEL)


class _Reading:
    """Collects field by field, so that one wrong label does not take the others with it."""

    def __init__(self, context: Mapping[str, Any]) -> None:
        self.context = context
        self.values: dict[str, Any] = {}
        self.sources: dict[str, str] = {}
        self.probes: dict[str, str] = {}
        self.policy: str | None = None
        self.faults: list[LabelFault] = []

    def take(self, label: str, value: str, *, inherited: bool) -> None:
        own = label.startswith(PREFIX)
        if not own and not is_foreign(label):
            return
        if inherited:
            self._fault(
                label,
                value,
                "it comes with the image, and only labels set on the container are followed",
                unread=False,
            )
        elif own:
            self._take_own(label, value)
        else:
            self._take_foreign(label, value)

    def build_probes(self) -> None:
        timeout = self.probes.pop(_PROBE_TIMEOUT, None)
        extra = {} if timeout is None else {"timeout": timeout}
        if timeout is not None and not self.probes:
            self._fault(_PROBE_TIMEOUT, timeout, "there is no probe label that it would be for")
        built: list[Any] = []
        for label, value in self.probes.items():
            built.extend(self._read(label, value, "probes", partial(_build_probe, label, value, extra)) or ())
        if built:
            self.values["probes"] = tuple(built)
            self.sources["probes"] = ", ".join(self.probes)

    def finish(self) -> LabelReading:
        return LabelReading(PolicySettings(**self.values), self.sources, self.policy, tuple(self.faults))

    def _take_own(self, label: str, value: str) -> None:
        if label == POLICY_LABEL:
            self.policy = value.strip()
        elif label in _PROBES or label == _PROBE_TIMEOUT:
            self.probes[label] = value
        elif label in _OWN:
            field, read = _OWN[label]
            self._set(label, field, self._read(label, value, field, partial(read, value)))
        else:
            near = get_close_matches(label, _ALL, n=1)
            self._fault(
                label, value, "there is no such label" + (f"; did you mean {near[0]}?" if near else "")
            )

    def _take_foreign(self, label: str, value: str) -> None:
        if label in NOT_FOLLOWED:
            self._fault(label, value, NOT_FOLLOWED[label])
            return
        try:
            meant = FOREIGN[label](value)
        except ValueError as error:
            self._fault(label, value, str(error))
            return
        for field, raw in meant.items():
            if not self.sources.get(field, "").startswith(PREFIX):
                self._merge(label, value, field, self._read(label, value, field, partial(_same, raw)))

    def _merge(self, label: str, value: str, field: str, read: Any) -> None:
        """Two other tools that disagree leave it to a person, and neither is followed."""
        before = self.sources.get(field)
        if before is None:
            self._set(label, field, read)
        elif read is not None and self.values.get(field, read) != read:
            self._fault(label, value, f"it contradicts {before}")
            self.values.pop(field, None)

    def _read(self, label: str, value: str, field: str, read: Callable[[], Any]) -> Any:
        """The value as the policy's field holds it; None where it is refused, which is then a fault."""
        try:
            settings = PolicySettings.model_validate({field: read()}, context=self.context)
        except ValidationError as error:
            reasons = [fault.removeprefix(f"{field}: ") for fault in describe_faults(error)]
            self._fault(label, value, "; ".join(reasons))
            return None
        except ValueError as error:
            self._fault(label, value, str(error))
            return None
        return getattr(settings, field)

    def _set(self, label: str, field: str, value: Any) -> None:
        # The source is kept for a refused value too: another tool's label must not step in for a mistyped own one.
        self.sources[field] = label
        if value is not None:
            self.values[field] = value

    def _fault(self, label: str, value: str, reason: str, *, unread: bool | None = None) -> None:
        """Another tool's label asks nothing of us: what is not followed of it is for a person to weigh."""
        said = label.startswith(PREFIX) if unread is None else unread
        self.faults.append(LabelFault(label, value, reason, said))
