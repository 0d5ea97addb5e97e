"""Policies in layers: field by field, the most specific layer that says something wins."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from uptainer.core.enums import PolicyScope
from uptainer.policy.settings import EffectivePolicy, PolicySettings, Source

_ORDER = tuple(PolicyScope)


@dataclass(frozen=True, slots=True)
class Layer:
    """`name` is the policy's target; `fields` names a field's own source where that is finer (the label)."""

    scope: PolicyScope
    name: str
    settings: PolicySettings
    fields: Mapping[str, str] = field(default_factory=dict)


def merge(layers: Iterable[Layer]) -> EffectivePolicy:
    """The whole policy for one container. Of two layers of the same scope, the later one wins."""
    values: dict[str, Any] = {}
    sources: dict[str, Source] = {}
    for layer in sorted(layers, key=lambda each: _ORDER.index(each.scope)):
        for name in type(layer.settings).model_fields:
            value = getattr(layer.settings, name)
            if value is not None:
                values[name] = value
                sources[name] = Source(scope=layer.scope, name=layer.fields.get(name, layer.name))
    return EffectivePolicy(**values, sources=sources)
