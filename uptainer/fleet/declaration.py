"""What a file says the fleet should be: hosts, windows, policies, whose word counts, what notifiers are told, and whose block
holds which login.

It is read strictly: what is not known is refused with its line and what was probably meant, for a setting that is
silently ignored is one that somebody relies on.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from uptainer.core.clock import utc_now
from uptainer.core.enums import PolicyScope
from uptainer.core.workloads import HostAddress
from uptainer.fleet.content import LAYERS, Content, NotifierDeclaration
from uptainer.fleet.excuses import read_file
from uptainer.fleet.names import Names
from uptainer.fleet.source import plain, read_source
from uptainer.fleet.trusts import trust_of
from uptainer.policy.allowances import Allowance
from uptainer.policy.windows import Freeze, Window
from uptainer.signatures.trusts import Trust
from uptainer.store.repositories.excuses import NewDocument

NOTHING = Names()


@dataclass(frozen=True, slots=True)
class Declaration:
    """`names` are what its policies may name of itself. `policies` are as they were written, by scope and target; each was checked.

    Of the hosts in `of_unsaid_runtime`, a stored one keeps what was found out about it; `servers` has those of which the
    file says where they stand. The files of trusts and VEX documents have been read.
    """

    hosts: tuple[HostAddress, ...] = ()
    of_unsaid_runtime: frozenset[str] = frozenset()
    names: Names = NOTHING
    windows: Mapping[str, str] = field(default_factory=dict)
    freezes: Mapping[str, str] = field(default_factory=dict)
    policies: Mapping[tuple[PolicyScope, str], Mapping[str, Any]] = field(default_factory=dict)
    credentials: Mapping[str, str] = field(default_factory=dict)
    notifiers: Mapping[str, NotifierDeclaration] = field(default_factory=dict)
    servers: Mapping[str, str] = field(default_factory=dict)
    allowances: tuple[Allowance, ...] = ()
    trusts: Mapping[str, Trust] = field(default_factory=dict)
    documents: Mapping[str, NewDocument] = field(default_factory=dict)


def read_declaration(
    text: str,
    name: str,
    *,
    folder: Path = Path(),
    stored: Names = NOTHING,
    now: datetime | None = None,
) -> Declaration:
    """Read YAML; `name` is the file's, for what is wrong; paths in it begin in `folder`; `stored` may be named in it.

    Raises:
        InvalidInputError: each fault on a line of its own, as `file, line 12: what is wrong`.
    """
    source = read_source(text, name)
    own = Names(
        source.windows("windows", Window),
        source.windows("freezes", Freeze),
        source.names("trusts"),
        source.names("vex"),
    )
    content = source.checked((stored | own).context)
    return Declaration(
        hosts=tuple(source.read_each("hosts", content.hosts, lambda name, host: host.address(name)).values()),
        of_unsaid_runtime=frozenset(name for name, host in content.hosts.items() if host.runtime is None),
        names=own,
        windows=dict(content.windows),
        freezes=dict(content.freezes),
        policies=dict(_policies(source.document.get("policies") or {})),
        credentials=dict(content.credentials),
        notifiers=dict(content.notifiers),
        servers={name: host.server for name, host in content.hosts.items() if host.server is not None},
        allowances=tuple(source.allowances(content, now or utc_now())),
        trusts=source.read_each("trusts", content.trusts, lambda _, given: trust_of(given, folder)),
        documents=source.read_each("vex", content.vex, lambda name, path: read_file(name, folder / path)),
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
