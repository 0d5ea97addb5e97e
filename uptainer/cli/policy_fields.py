"""A whole policy, field by field, with where each came from."""

from dataclasses import dataclass
from typing import Any

from uptainer.policy.settings import EffectivePolicy
from uptainer.policy.window_text import describe_window
from uptainer.policy.windows import Window


@dataclass(frozen=True, slots=True)
class FieldLine:
    """`value` is as a policy would say it; windows are told in words."""

    field: str
    value: str
    source: str


def fields_of(policy: EffectivePolicy) -> tuple[FieldLine, ...]:
    """In the order of the policy's own fields; those that somebody set first."""
    stored = policy.model_dump(mode="json", exclude={"sources"})
    lines = [
        FieldLine(name, _words(getattr(policy, name), stored[name]), str(policy.source(name)))
        for name in stored
    ]
    return tuple(sorted(lines, key=lambda each: each.field not in policy.sources))


def _words(value: Any, stored: Any) -> str:
    if isinstance(value, tuple):
        return "; ".join(_words(each, text) for each, text in zip(value, stored, strict=True))
    if isinstance(value, Window):
        return describe_window(value)
    if isinstance(stored, bool):
        return "yes" if stored else "no"
    return "" if stored is None else str(stored)
