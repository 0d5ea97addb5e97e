"""The file that declares a fleet, with its lines: what is wrong in it is told by its line, and what was meant."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from difflib import get_close_matches
from io import StringIO
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from uptainer.core.errors import InvalidInputError
from uptainer.fleet.content import LAYERS, Content
from uptainer.policy.allowances import Allowance
from uptainer.policy.settings import PolicySettings
from uptainer.policy.window_text import parse_window
from uptainer.policy.windows import Window

Path = tuple[str | int, ...]
AnyWindow = TypeVar("AnyWindow", bound=Window)
Given = TypeVar("Given")
Made = TypeVar("Made")


def read_source(text: str, name: str) -> "Source":
    """Read YAML; `name` is the file's. Raises InvalidInputError: it is none, or no mapping."""
    return Source(_load(text, name), name)


def plain(value: Any) -> Any:
    """Without what the reader remembers of lines and comments."""
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value


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
        *parts, last = Content.model_fields
        raise InvalidInputError(f"{name}: it must have {', '.join(parts)} or {last} in it")
    return document


class Source:
    """The document with its lines."""

    def __init__(self, document: CommentedMap, name: str) -> None:
        self.document = document
        self._name = name

    def names(self, part: str) -> frozenset[str]:
        given = self.document.get(part)
        return frozenset(map(str, given)) if isinstance(given, Mapping) else frozenset()

    def windows(self, part: str, kind: type[AnyWindow]) -> dict[str, AnyWindow]:
        given = self.document.get(part)
        texts = given if isinstance(given, Mapping) else {}
        return self.read_each(part, texts, lambda _, text: parse_window(str(text), kind))

    def read_each(
        self, part: str, given: Mapping[str, Given], read: Callable[[str, Given], Made]
    ) -> dict[str, Made]:
        """Raises InvalidInputError, with the line of the first that can't be read."""
        made: dict[str, Made] = {}
        for name, each in given.items():
            try:
                made[name] = read(name, each)
            except InvalidInputError as error:
                raise InvalidInputError(self._at((part, name), f"{name}: {error}")) from error
        return made

    def allowances(self, content: Content, now: datetime) -> Iterator[Allowance]:
        lines: dict[str, int] = {}
        for number, declared in enumerate(content.allowances):
            try:
                allowance = declared.allowance(now)
            except InvalidInputError as error:
                raise InvalidInputError(self._at(("allowances", number), str(error))) from error
            if allowance.scope in lines:
                twice = f"{allowance.scope} is allowed on line {lines[allowance.scope]} already"
                raise InvalidInputError(self._at(("allowances", number), twice))
            lines[allowance.scope] = self._line(("allowances", number))
            yield allowance

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
        document = plain(self.document)
        for *path, last in places:
            inner = document
            for part in path:
                inner = inner[part]
            del inner[last]
        return document

    def _unknown_settings(self) -> Iterator[tuple[Path, str]]:
        """A policy says of itself what it has no field for, and not on which line."""
        given = self.document.get("policies")
        layers = given if isinstance(given, Mapping) else {}
        named = {("policies", "default"): layers.get("default")} | {
            ("policies", layer, target): settings
            for layer in LAYERS
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
        at: Any = self.document
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
        at: Any = self.document
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
    """The innermost one that a place lies in; a name that somebody gave is none."""
    model: type[BaseModel] = Content
    for part in location:
        field = model.model_fields.get(str(part))
        model = (_model_in(field.annotation) if field else None) or model
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)
