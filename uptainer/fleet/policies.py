"""Which policy holds for a container: the stored layers and its labels, read once for the whole fleet."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Self

from sqlalchemy.orm import Session

from uptainer.core.enums import PolicyScope, RuntimeType
from uptainer.core.errors import InvalidInputError
from uptainer.fleet.names import Names, read_windows
from uptainer.images.tag_policy import TagPolicy
from uptainer.policy.labels import POLICY_LABEL, LabelFault, LabelReading, read_labels
from uptainer.policy.layers import Layer, merge
from uptainer.policy.settings import EffectivePolicy, PolicySettings, parse_settings
from uptainer.policy.windows import Freeze, Window
from uptainer.store.repositories.containers import ContainerView
from uptainer.store.repositories.policies import PolicyRepository

WINDOW_FIELDS = ("windows", "freezes")
_SERVICES = frozenset({"service", "global_service", "service_job"})
Key = tuple[PolicyScope, str]
NOTHING: Mapping[Key, Mapping[str, Any]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ContainerPolicy:
    """While there are `faults`, a person must approve each update."""

    policy: EffectivePolicy
    faults: tuple[LabelFault, ...] = ()

    @property
    def unread(self) -> tuple[str, ...]:
        """Why it is not known what is asked of updates, in words; while there is something, none is approved."""
        return tuple(str(fault) for fault in self.faults if fault.unread)

    @property
    def tags(self) -> TagPolicy:
        policy = self.policy
        return TagPolicy.compile(
            scheme=policy.tag_scheme,
            level=policy.level,
            include=policy.tag_include or None,
            exclude=policy.tag_exclude or None,
            transform=policy.tag_transform or None,
            follow_pinned=policy.follow_pinned,
            resolve_versions=policy.resolve_versions,
        )


class PolicyBook:
    """All stored policies and windows. A policy that can no longer be read is a fault of whatever it is meant for."""

    def __init__(
        self,
        stored: Mapping[Key, Mapping[str, Any]],
        windows: Mapping[str, Window],
        freezes: Mapping[str, Freeze],
    ) -> None:
        self.windows = windows
        self.freezes = freezes
        self._layers: dict[Key, Layer | LabelFault] = {key: self._read(key, stored[key]) for key in stored}

    @classmethod
    def load(cls, session: Session, instead: Mapping[Key, Mapping[str, Any]] = NOTHING) -> Self:
        """As they are stored, or with these layers `instead` of the stored ones."""
        policies = PolicyRepository(session)
        stored = {(row.scope, row.target): row.settings for row in policies.policies()} | dict(instead)
        windows, freezes = read_windows(policies.windows())
        return cls(stored, windows, freezes)

    def policy_of(self, view: ContainerView) -> ContainerPolicy:
        labels = read_labels(
            view.container.labels, _inherited(view), windows=self.windows, freezes=self.freezes
        )
        found = [
            *self._stored_for(view, labels),
            Layer(PolicyScope.LABEL, "", labels.settings, labels.sources),
        ]
        layers = [each for each in found if isinstance(each, Layer)]
        faults = tuple(each for each in found if isinstance(each, LabelFault))
        return ContainerPolicy(merge(layers), (*labels.faults, *faults))

    def _stored_for(self, view: ContainerView, labels: LabelReading) -> Iterator[Layer | LabelFault]:
        host, container = view.host.name, view.container
        keys = [
            (PolicyScope.DEFAULT, ""),
            (PolicyScope.HOST, host),
            (PolicyScope.PROJECT, container.project or ""),
            (PolicyScope.PROJECT, f"{host}/{container.project}"),
            (PolicyScope.CONTAINER, f"{host}/{container.key}"),
        ]
        yield from (self._layers[key] for key in keys if key in self._layers)
        if labels.policy is not None:
            yield self._named(labels.policy)

    def _named(self, name: str) -> Layer | LabelFault:
        known = sorted(target for scope, target in self._layers if scope is PolicyScope.LABEL)
        missing = LabelFault(
            POLICY_LABEL, name, f"there is no such policy; known: {', '.join(known) or 'none'}"
        )
        return self._layers.get((PolicyScope.LABEL, name), missing)

    def _read(self, key: Key, document: Mapping[str, Any]) -> Layer | LabelFault:
        scope, target = key
        try:
            settings: PolicySettings = parse_settings(document, windows=self.windows, freezes=self.freezes)
        except InvalidInputError as error:
            return LabelFault(f"{scope} policy {target}".strip(), None, str(error))
        return Layer(scope, target or "default", settings)


def _inherited(view: ContainerView) -> Mapping[str, str]:
    """The labels of its image, which an engine gives to its containers; a cluster's and a swarm's services have only their
    own.
    """
    is_service = view.host.runtime is RuntimeType.KUBERNETES or view.container.workload_kind in _SERVICES
    return {} if is_service or view.image is None else view.image.labels


def storable(given: Mapping[str, Any], names: Names) -> dict[str, Any]:
    """A layer, checked whole and written plainly; windows stay as they were given, for a name follows its window.

    Raises:
        InvalidInputError: a field is unknown or its value is wrong, or it names what is not there.
    """
    settings: PolicySettings = parse_settings(
        given, windows=names.windows, freezes=names.freezes, others=names.others
    )
    plain = settings.model_dump(mode="json", exclude_none=True)
    kept = {
        name: [given[name]] if isinstance(given[name], str) else given[name]
        for name in WINDOW_FIELDS
        if name in plain
    }
    return {**plain, **kept}
