"""What a file says the fleet should be: hosts, windows, policies, and whose block holds which registry's login.

It is read strictly: what is not known is refused with its line and what was probably meant, for a setting that is
silently ignored is one that somebody relies on.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from io import StringIO
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, WithJsonSchema
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from uptainer.core.enums import PolicyScope, RuntimeType
from uptainer.core.errors import InvalidInputError
from uptainer.core.workloads import HostAddress
from uptainer.policy.settings import PolicySettings
from uptainer.policy.window_text import parse_window
from uptainer.policy.windows import Freeze, Window
from uptainer.runtimes.addresses import DEFAULT_TIMEOUT, parse_address

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]
WindowText = Annotated[str, WithJsonSchema({"type": "string", "examples": ["Fri 22:00-05:00 Europe/Berlin"]})]
NO_WINDOWS: Mapping[str, Window] = {}
NO_FREEZES: Mapping[str, Freeze] = {}


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


class Content(_Strict):
    """A file's content; every part may be left out."""

    hosts: dict[Name, HostDeclaration] = {}
    windows: dict[Name, WindowText] = {}
    freezes: dict[Name, WindowText] = {}
    policies: PoliciesDeclaration = PoliciesDeclaration()
    credentials: dict[str, str] = Field(default={}, description="Registry: the block that holds its login.")


@dataclass(frozen=True, slots=True)
class Declaration:
    """`policies` are as they were written, by scope and target; each was checked.

    Of the hosts in `of_unsaid_runtime`, a stored one keeps what was found out about it.
    """

    hosts: tuple[HostAddress, ...] = ()
    of_unsaid_runtime: frozenset[str] = frozenset()
    windows: Mapping[str, str] = field(default_factory=dict)
    freezes: Mapping[str, str] = field(default_factory=dict)
    policies: Mapping[tuple[PolicyScope, str], Mapping[str, Any]] = field(default_factory=dict)
    credentials: Mapping[str, str] = field(default_factory=dict)


_LAYERS = {
    "hosts": PolicyScope.HOST,
    "projects": PolicyScope.PROJECT,
    "labels": PolicyScope.LABEL,
    "containers": PolicyScope.CONTAINER,
}
Path = tuple[str | int, ...]


def read_declaration(
    text: str,
    name: str,
    *,
    windows: Mapping[str, Window] = NO_WINDOWS,
    freezes: Mapping[str, Freeze] = NO_FREEZES,
) -> Declaration:
    """Read YAML; `name` is the file's, for what is wrong; `windows` and `freezes` are stored ones that it may name.

    Raises:
        InvalidInputError: each fault on a line of its own, as `file, line 12: what is wrong`.
    """
    document = _load(text, name)
    source = _Source(document, name)
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
        policies=dict(_policies(document.get("policies") or {})),
        credentials=dict(content.credentials),
    )


def json_schema() -> dict[str, Any]:
    """For editors; JSON Schema 2020-12."""
    schema = Content.model_json_schema(mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "uptainer.yaml"}


def _load(text: str, name: str) -> CommentedMap:
    try:
        document = YAML(typ="rt").load(StringIO(text))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise InvalidInputError(f"{name}{line}: {error.problem or 'this is not YAML'}") from error
    except YAMLError as error:
        raise InvalidInputError(f"{name}: this is not YAML: {error}") from error
    if document is None:
        return CommentedMap()
    if not isinstance(document, CommentedMap):
        raise InvalidInputError(
            f"{name}: it must have hosts, windows, freezes, policies or credentials in it"
        )
    return document


def _policies(given: Mapping[str, Any]) -> Iterator[tuple[tuple[PolicyScope, str], Mapping[str, Any]]]:
    if given.get("default") is not None:
        yield (PolicyScope.DEFAULT, ""), _plain(given["default"])
    for layer, scope in _LAYERS.items():
        for target, settings in (given.get(layer) or {}).items():
            yield (scope, str(target)), _plain(settings)


def _plain(value: Any) -> Any:
    """Without what the reader remembers of lines and comments."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value


class _Source:
    """The document with its lines."""

    def __init__(self, document: CommentedMap, name: str) -> None:
        self._document = document
        self._name = name

    def windows(self, part: str, kind: type[Window]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        given = self._document.get(part)
        for name, text in (given if isinstance(given, Mapping) else {}).items():
            try:
                found[str(name)] = parse_window(str(text), kind)
            except InvalidInputError as error:
                raise InvalidInputError(self._at((part, name), f"{name}: {error}")) from error
        return found

    def hosts(self, content: Content) -> Iterator[HostAddress]:
        for name, host in content.hosts.items():
            try:
                yield host.address(name)
            except InvalidInputError as error:
                raise InvalidInputError(self._at(("hosts", name), f"{name}: {error}")) from error

    def checked(self, context: Mapping[str, Any]) -> Content:
        """Raises InvalidInputError, with all that is wrong, in the order of the lines."""
        faults = dict(self._unknown_settings())
        content = Content()
        try:
            content = Content.model_validate(self._without(faults), context=context)
        except ValidationError as error:
            for where, message in map(self._fault, error.errors()):
                faults.setdefault(where, message)  # what several forms of a value say about it is said once
        if faults:
            ordered = sorted(faults.items(), key=lambda each: self._line(each[0]))
            said = [self._at(where, f"{'.'.join(map(str, where))}: {message}") for where, message in ordered]
            raise InvalidInputError("\n".join(said))
        return content

    def _without(self, places: Iterable[Path]) -> Any:
        document = _plain(self._document)
        for *path, last in places:
            inner = document
            for part in path:
                inner = inner[part]
            del inner[last]
        return document

    def _unknown_settings(self) -> Iterator[tuple[Path, str]]:
        """A policy says of itself what it has no field for, and not on which line."""
        given = self._document.get("policies")
        layers = given if isinstance(given, Mapping) else {}
        named = {("policies", "default"): layers.get("default")} | {
            ("policies", layer, target): settings
            for layer in _LAYERS
            if isinstance(layers.get(layer), Mapping)
            for target, settings in layers[layer].items()
        }
        for path, settings in named.items():
            for key in settings if isinstance(settings, Mapping) else ():
                if key not in PolicySettings.model_fields:
                    yield (*path, key), _no_such((*path, key))

    def _fault(self, fault: Mapping[str, Any]) -> tuple[Path, str]:
        if fault["type"] == "extra_forbidden":
            return fault["loc"], _no_such(fault["loc"])
        return self._known(fault["loc"]), fault["msg"].removeprefix("Value error, ")

    def _known(self, location: Path) -> Path:
        """As far as the document has it; what follows are the checker's own words."""
        at: Any = self._document
        for depth, part in enumerate(location):
            try:
                at = None if isinstance(at, str) else at[part]
            except (KeyError, IndexError, TypeError):
                return location[:depth] or location
            if at is None:
                return location[:depth] or location
        return location

    def _at(self, location: Path, message: str) -> str:
        line = self._line(location)
        return f"{self._name}, line {line}: {message}" if line else f"{self._name}: {message}"

    def _line(self, location: Path) -> int:
        at: Any = self._document
        line = 0
        for part in location:
            if isinstance(at, CommentedMap) and part in at:
                line = at.lc.key(part)[0] + 1
                at = at[part]
            elif isinstance(at, CommentedSeq) and isinstance(part, int) and part < len(at):
                line = at.lc.item(part)[0] + 1
                at = at[part]
            else:
                break
        return line


def _no_such(location: Path) -> str:
    model = _model_at(location[:-1])
    near = get_close_matches(str(location[-1]), model.model_fields, n=1, cutoff=0.5)
    meant = f"did you mean {near[0]}?" if near else f"known: {', '.join(model.model_fields)}"
    return f"there is no such setting; {meant}"


def _model_at(location: Path) -> type[BaseModel]:
    match location:
        case ():
            return Content
        case ("hosts", _):
            return HostDeclaration
        case ("policies",):
            return PoliciesDeclaration
        case _:
            return PolicySettings
