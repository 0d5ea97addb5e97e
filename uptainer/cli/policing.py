"""What `uptainer policy ...` does."""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy.orm import Session

from uptainer.cli import connection
from uptainer.cli.output import print_json
from uptainer.cli.policy_fields import fields_of
from uptainer.cli.rows import print_rows
from uptainer.cli.saying import say
from uptainer.cli.windowing import follow
from uptainer.core.clock import utc_now
from uptainer.core.enums import PolicyScope
from uptainer.core.errors import InvalidInputError, NotFoundError
from uptainer.fleet.names import Names
from uptainer.fleet.policies import PolicyBook, storable
from uptainer.store.repositories.containers import ContainerRepository
from uptainer.store.repositories.hosts import HostRepository
from uptainer.store.repositories.policies import PolicyRepository

WINDOWS = "windows"


@dataclass(frozen=True, slots=True)
class LayerLine:
    scope: str
    target: str
    settings: dict[str, Any]
    enabled: bool


def show(address: str, *, as_json: bool) -> None:
    with connection.database() as database, database.session() as session:
        view = ContainerRepository(session).by_address(address)
        policy = PolicyBook.load(session).policy_of(view)
    lines, faults = fields_of(policy.policy), [asdict(fault) for fault in policy.faults]
    if as_json:
        print_json({"workload": view.address, "policy": [asdict(line) for line in lines], "faults": faults})
        return
    print_rows(lines, ("field", "value", "source"), as_json=False, nothing="")
    for fault in policy.faults:
        held = (
            "No update is approved until this is corrected"
            if fault.unread
            else "A person must approve each update"
        )
        say(f"{held}: {fault}.")


def show_all(*, as_json: bool) -> None:
    with connection.database() as database, database.session() as session:
        rows = PolicyRepository(session).policies(enabled_only=False)
        lines = [LayerLine(str(row.scope), row.target, row.settings, row.enabled) for row in rows]
    nothing = "No policy is stored: the built-in defaults and labels hold. `uptainer policy set default ...` says more."
    print_rows(lines, ("scope", "target", "settings", "enabled"), as_json=as_json, nothing=nothing)


def put(scope: PolicyScope, words: Sequence[str]) -> None:
    """Raises InvalidInputError, NotFoundError: a field, a value or the target is wrong; nothing is stored then."""
    with connection.database() as database:
        with database.session() as session:
            exact, settings = as_if_set(session, scope, words)
            actor = connection.caller()
            PolicyRepository(session).put_policy(scope, exact, settings, actor=actor, now=utc_now())
        _tell(scope, exact, settings)
        if WINDOWS in settings:
            follow(database)


def as_if_set(session: Session, scope: PolicyScope, words: Sequence[str]) -> tuple[str, Mapping[str, Any]]:
    """The layer's target and settings as `put` would store them; nothing is stored. Raises as `put`."""
    target, rest = _target(scope, words)
    given = read_settings(rest)
    exact = _checked(session, scope, target)
    return exact, _with(session, _stored(session, scope, exact), given)


def take_out(scope: PolicyScope, words: Sequence[str]) -> None:
    target, names = _target(scope, words)
    with connection.database() as database:
        with database.session() as session:
            stored = _stored(session, scope, target)
            left = _without(session, scope, target, names)
        _tell(scope, target, left)
        if WINDOWS in stored:
            follow(database)


def _without(session: Session, scope: PolicyScope, target: str, names: Sequence[str]) -> Mapping[str, Any]:
    """Take these fields out, or without names the whole layer; what is left of it."""
    policies, stored = PolicyRepository(session), _stored(session, scope, target)
    absent = [name for name in names if name not in stored]
    if absent:
        raise NotFoundError(f"the {_layer(scope, target)} does not set {absent[0]!r}")
    left = {name: value for name, value in stored.items() if names and name not in names}
    if left:
        policies.put_policy(scope, target, left, actor=connection.caller(), now=utc_now())
    else:
        policies.remove_policy(scope, target, actor=connection.caller())
    return left


def read_settings(words: Sequence[str]) -> dict[str, Any]:
    """`key=value` texts; a key that is given several times is a list, and JSON stands for what has parts.

    Raises:
        InvalidInputError: one is not `key=value`, or its JSON is broken.
    """
    given: dict[str, Any] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals or not key:
            raise InvalidInputError(f"{word!r} is not KEY=VALUE, as in mode=manual")
        value = _value(key, text)
        given[key] = _joined(given[key], value) if key in given else value
    return given


def _value(key: str, text: str) -> Any:
    if not text.startswith(("[", "{")):
        return text
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        if text.startswith("{") or key == "probes":
            raise InvalidInputError(f"{key}: {text!r} is not JSON: {error}") from error
        return text  # a pattern may begin with a bracket


def _joined(before: Any, value: Any) -> list[Any]:
    return [*(before if isinstance(before, list) else [before]), value]


def _target(scope: PolicyScope, words: Sequence[str]) -> tuple[str, Sequence[str]]:
    if scope is PolicyScope.DEFAULT:
        return "", words
    if not words or "=" in words[0]:
        raise InvalidInputError(f"say which {scope}: uptainer policy set {scope} TARGET KEY=VALUE")
    return words[0], words[1:]


def _checked(session: Session, scope: PolicyScope, target: str) -> str:
    """A host or container that is not there is a slip; a project or a policy's name may come later."""
    match scope:
        case PolicyScope.HOST:
            return HostRepository(session).by_name(target).name
        case PolicyScope.CONTAINER:
            return ContainerRepository(session).by_address(target).address
        case _:
            return target


def _stored(session: Session, scope: PolicyScope, target: str) -> Mapping[str, Any]:
    rows = PolicyRepository(session).policies(enabled_only=False)
    return next((row.settings for row in rows if (row.scope, row.target) == (scope, target)), {})


def _with(session: Session, before: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """A trust that is gone holds updates back, and must not hold back what is said of other fields."""
    kept = Names(trusts=frozenset(before.get("signed_by", ())), documents=frozenset(before.get("vex", ())))
    return storable({**before, **given}, Names.stored(session) | kept)


def _tell(scope: PolicyScope, target: str, settings: Mapping[str, Any]) -> None:
    said = f"now: {_as_words(settings)}" if settings else "nothing now."
    say(f"The {_layer(scope, target)} says {said}")


def _as_words(settings: Mapping[str, Any]) -> str:
    """As `read_settings` reads them, and a shell."""
    pairs = ((name, each) for name, value in settings.items() for each in _parts(value))
    texts = ((name, each if isinstance(each, str) else json.dumps(each)) for name, each in pairs)
    return shlex.join(f"{name}={text}" for name, text in texts)


def _parts(value: Any) -> list[Any]:
    is_list_of_texts = isinstance(value, list) and value and all(isinstance(each, str) for each in value)
    return value if is_list_of_texts else [value]


def _layer(scope: PolicyScope, target: str) -> str:
    return "default policy" if scope is PolicyScope.DEFAULT else f"policy of {scope} {target}"
