"""What a file says the fleet should be: hosts, windows, policies, what notifiers are told, and whose block holds which login.

It is read strictly: what is not known is refused with its line and what was probably meant, for a setting that is
silently ignored is one that somebody relies on.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from uptainer.core.clock import utc_now
from uptainer.core.enums import PolicyScope
from uptainer.core.workloads import HostAddress
from uptainer.fleet.content import LAYERS, Content, NotifierDeclaration
from uptainer.fleet.source import plain, read_source
from uptainer.policy.allowances import Allowance
from uptainer.policy.windows import Freeze, Window

NO_WINDOWS: Mapping[str, Window] = {}
NO_FREEZES: Mapping[str, Freeze] = {}


@dataclass(frozen=True, slots=True)
class Declaration:
    """`policies` are as they were written, by scope and target; each was checked.

    Of the hosts in `of_unsaid_runtime`, a stored one keeps what was found out about it; `servers` has those of which the
    file says where they stand.
    """

    hosts: tuple[HostAddress, ...] = ()
    of_unsaid_runtime: frozenset[str] = frozenset()
    windows: Mapping[str, str] = field(default_factory=dict)
    freezes: Mapping[str, str] = field(default_factory=dict)
    policies: Mapping[tuple[PolicyScope, str], Mapping[str, Any]] = field(default_factory=dict)
    credentials: Mapping[str, str] = field(default_factory=dict)
    notifiers: Mapping[str, NotifierDeclaration] = field(default_factory=dict)
    servers: Mapping[str, str] = field(default_factory=dict)
    allowances: tuple[Allowance, ...] = ()


def read_declaration(
    text: str,
    name: str,
    *,
    windows: Mapping[str, Window] = NO_WINDOWS,
    freezes: Mapping[str, Freeze] = NO_FREEZES,
    now: datetime | None = None,
) -> Declaration:
    """Read YAML; `name` is the file's, for what is wrong; `windows` and `freezes` are stored ones that it may name.

    Raises:
        InvalidInputError: each fault on a line of its own, as `file, line 12: what is wrong`.
    """
    source = read_source(text, name)
    context = {
        Window.noun: {**windows, **source.windows("windows", Window)},
        Freeze.noun: {**freezes, **source.windows("freezes", Freeze)},
    }
    content = source.checked(context)
    return Declaration(
        hosts=tuple(source.hosts(content)),
        of_unsaid_runtime=frozenset(name for name, host in content.hosts.items() if host.runtime is None),
        windows=dict(content.windows),
        freezes=dict(content.freezes),
        policies=dict(_policies(source.document.get("policies") or {})),
        credentials=dict(content.credentials),
        notifiers=dict(content.notifiers),
        servers={name: host.server for name, host in content.hosts.items() if host.server is not None},
        allowances=tuple(source.allowances(content, now or utc_now())),
    )


def json_schema() -> dict[str, Any]:
    """For editors; JSON Schema 2020-12."""
    schema = Content.model_json_schema(mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "uptainer.yaml"}


def _policies(given: Mapping[str, Any]) -> Iterator[tuple[tuple[PolicyScope, str], Mapping[str, Any]]]:
    if given.get("default") is not None:
        yield (PolicyScope.DEFAULT, ""), plain(given["default"])
    for layer, scope in LAYERS.items():
        for target, settings in (given.get(layer) or {}).items():
            yield (scope, str(target)), plain(settings)
