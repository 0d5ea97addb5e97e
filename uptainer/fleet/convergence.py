"""From what is declared to what is stored: the difference first, as a person reads it, then the change."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from uptainer.core.enums import PolicyScope
from uptainer.core.errors import InvalidInputError
from uptainer.core.workloads import HostAddress
from uptainer.fleet.declaration import Declaration
from uptainer.fleet.excuses import allowance_of, put_allowance
from uptainer.fleet.names import Names
from uptainer.fleet.policies import storable
from uptainer.fleet.trusts import put_trust, who
from uptainer.policy.allowances import Allowance
from uptainer.policy.fields import DOCUMENT, TRUST
from uptainer.signatures.trusts import Trust, fingerprint, read_trust
from uptainer.store.models import SignatureTrust, VexDocument
from uptainer.store.repositories.audit import Actor
from uptainer.store.repositories.excuses import KEY, AllowanceRepository, NewDocument, VexRepository
from uptainer.store.repositories.hosts import HostRepository
from uptainer.store.repositories.policies import PolicyRepository
from uptainer.store.repositories.signatures import SignatureRepository

Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs: `before` is None for what is new, `after` for what is to be removed.

    `what` is host, window, freeze, credentials, trust, VEX document, allowance, or a layer of policy ("host policy"); `name`
    is which.
    """

    what: str
    name: str
    before: Facts | None
    after: Facts | None

    @property
    def differing(self) -> Mapping[str, tuple[Any, Any]]:
        """By field, what it was and what it is to be; None where there is nothing."""
        before, after = self.before or {}, self.after or {}
        names = dict.fromkeys([*before, *after])
        return {
            name: (before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)
        }


def plan_changes(session: Session, declared: Declaration, *, prune: bool = False) -> tuple[Change, ...]:
    """What has to change, in the order in which it can; with `prune`, also what is stored and not declared.

    Raises:
        InvalidInputError: a policy is for a host, or names a window, a trust or a document, that will not be there; or
            one name is to be a window's and a freeze's.
    """
    wanted, stored = _declared(session, declared, prune=prune), _stored(session, declared)
    _check_names(wanted, stored)
    changed = [
        Change(*key, stored.get(key), facts) for key, facts in wanted.items() if stored.get(key) != facts
    ]
    gone = [Change(*key, facts, None) for key, facts in stored.items() if key not in wanted] if prune else []
    return (*changed, *reversed(gone))


def make_changes(
    session: Session, declared: Declaration, changes: Sequence[Change], actor: Actor, now: datetime
) -> None:
    """Carry them out; each is in the audit log.

    Raises:
        RefusedError: a host has updates on their way, or another host stands for its address.
    """
    addresses = {address.name: address for address in _hosts(session, declared)}
    allowances = {each.scope: each for each in declared.allowances}
    for change in changes:
        if change.after is None:
            _remove(session, change, actor, now)
        elif change.what == "host":
            server = declared.servers.get(change.name)
            HostRepository(session).add(addresses[change.name], server, actor=actor)
        elif change.what == "allowance":
            put_allowance(session, allowances[change.name], actor, now)
        elif change.what == TRUST:
            put_trust(session, change.name, declared.trusts[change.name], actor)
        elif change.what == DOCUMENT:
            VexRepository(session).put(declared.documents[change.name], actor=actor, now=now)
        else:
            _put(PolicyRepository(session), change, change.after, actor, now)


def _put(policies: PolicyRepository, change: Change, after: Facts, actor: Actor, now: datetime) -> None:
    match change.what:
        case "window" | "freeze":
            policies.put_window(
                change.name, {"text": after["when"]}, freeze=change.what == "freeze", actor=actor
            )
        case "credentials":
            policies.put_credential(change.name, after["block"], actor=actor)
        case layer:
            policies.put_policy(_scope(layer), change.name, after, actor=actor, now=now)


def _remove(session: Session, change: Change, actor: Actor, now: datetime) -> None:
    policies = PolicyRepository(session)
    match change.what:
        case "host":
            HostRepository(session).remove(change.name, now, actor=actor)
        case "allowance":
            key = {name: (change.before or {}).get(name, "") for name in KEY}
            AllowanceRepository(session).remove_key(key, actor=actor)
        case "trust":
            SignatureRepository(session).remove_trust(change.name, actor=actor)
        case "VEX document":
            VexRepository(session).remove(change.name, actor=actor)
        case "window" | "freeze":
            policies.remove_window(change.name, actor=actor)
        case "credentials":
            policies.remove_credential(change.name, actor=actor)
        case layer:
            policies.remove_policy(_scope(layer), change.name, actor=actor)


def _check_names(wanted: Mapping[tuple[str, str], Facts], stored: Mapping[tuple[str, str], Facts]) -> None:
    """Windows and freezes share their names: what forbids does not turn into what allows by the way."""
    for what, name in wanted:
        other = {"window": "freeze", "freeze": "window"}.get(what, "")
        if (other, name) in wanted:
            raise InvalidInputError(
                f"{name} is declared as both a window and a freeze: give one another name"
            )
        if (other, name) in stored:
            raise InvalidInputError(
                f"{name} is a {other} already: `uptainer window remove {name}` first, or choose another name"
            )


def _layer(scope: PolicyScope) -> str:
    return f"{scope.value} policy"


def _scope(layer: str) -> PolicyScope:
    return PolicyScope(layer.removesuffix(" policy"))


def _declared(session: Session, declared: Declaration, *, prune: bool) -> dict[tuple[str, str], Facts]:
    """In the order in which it is stored: a policy may name what comes before it."""
    found: dict[tuple[str, str], Facts] = {}
    for name, text in declared.windows.items():
        found["window", name] = {"when": text}
    for name, text in declared.freezes.items():
        found["freeze", name] = {"when": text}
    for registry, block in declared.credentials.items():
        found["credentials", registry] = {"block": block}
    for name, trust in declared.trusts.items():
        found[TRUST, name] = _trust_facts(trust)
    for name, document in declared.documents.items():
        found[DOCUMENT, name] = _document_facts(document)
    for address in _hosts(session, declared):
        found["host", address.name] = _host_facts(address, declared.servers.get(address.name))
    found |= _declared_policies(session, declared, prune=prune)
    for allowance in declared.allowances:
        found["allowance", allowance.scope] = _allowance_facts(allowance)
    return found


def _hosts(session: Session, declared: Declaration) -> Iterator[HostAddress]:
    """With the runtime that a host was found to have, where the file does not say one."""
    stored = {row.url: row.runtime for row in HostRepository(session).all()}
    for address in declared.hosts:
        known = stored.get(address.url) if address.name in declared.of_unsaid_runtime else None
        yield replace(address, runtime=known) if known else address


def _declared_policies(
    session: Session, declared: Declaration, *, prune: bool
) -> dict[tuple[str, str], Facts]:
    """What is to be removed can't be named any more."""
    names = declared.names if prune else Names.stored(session) | declared.names
    stored = () if prune else HostRepository(session).all()
    hosts = {row.name for row in stored} | {each.name for each in declared.hosts}
    found = dict[tuple[str, str], Facts]()
    for (scope, target), settings in declared.policies.items():
        _check_host(scope, target, hosts)
        found[_layer(scope), target] = storable(settings, names)
    return found


def _check_host(scope: PolicyScope, target: str, hosts: set[str]) -> None:
    host = target.partition("/")[0]
    is_on_host = scope in {PolicyScope.HOST, PolicyScope.CONTAINER}
    if is_on_host and host not in hosts:
        raise InvalidInputError(
            f"the policy of {scope.value} {target!r} is for a host that is neither in the fleet nor declared; "
            f"known: {', '.join(sorted(hosts)) or 'none'}"
        )


def _stored(session: Session, declared: Declaration) -> dict[tuple[str, str], Facts]:
    policies = PolicyRepository(session)
    found = dict[tuple[str, str], Facts](_stored_windows(policies))
    for registry, block in policies.credentials().items():
        found["credentials", registry] = {"block": block}
    for trust in SignatureRepository(session).trusts():
        found[TRUST, trust.name] = _stored_trust_facts(trust)
    for document in VexRepository(session).listing():
        found[DOCUMENT, document.name] = _document_facts(document)
    hosts = HostRepository(session)
    for row in hosts.all():
        server = hosts.server(row) if row.name in declared.servers else None
        found["host", row.name] = _host_facts(HostRepository.address(row), server)
    for policy in policies.policies(enabled_only=False):
        found[_layer(policy.scope), policy.target] = policy.settings
    for allowed in AllowanceRepository(session).all():
        allowance = allowance_of(allowed)
        found["allowance", allowance.scope] = _allowance_facts(allowance)
    return found


def _stored_windows(policies: PolicyRepository) -> Iterator[tuple[tuple[str, str], Facts]]:
    for row in policies.windows(enabled_only=False):
        yield ("freeze" if row.freeze else "window", row.name), {"when": row.definition.get("text", "")}


def _allowance_facts(allowance: Allowance) -> Facts:
    key = {name: value for name in KEY if (value := getattr(allowance, name))}
    return {**key, "until": allowance.expires_at.astimezone(UTC).isoformat(), "reason": allowance.reason}


def _trust_facts(trust: Trust) -> Facts:
    """The fingerprint is over all of it, its root too."""
    told = {"trusts": who(trust), "annotations": dict(trust.annotations), "fingerprint": fingerprint(trust)}
    return {name: value for name, value in told.items() if value}


def _stored_trust_facts(row: SignatureTrust) -> Facts:
    try:
        return _trust_facts(read_trust(row.document))
    except InvalidInputError as error:
        return {"trusts": f"nobody, for it can't be read: {error}", "fingerprint": row.fingerprint}


def _document_facts(document: NewDocument | VexDocument) -> Facts:
    return {"format": document.format.value, "sha256": document.sha256}


def _host_facts(address: HostAddress, server: str | None) -> Facts:
    """Without what is empty, and with words in place of enumerations, for a person and for JSON."""
    given = {**asdict(address), "server": server}
    facts = {name: value for name, value in given.items() if name != "name" and value}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in facts.items()}
