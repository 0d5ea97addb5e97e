"""The types that a policy's fields are made of, each checked where it enters."""

import shlex
from collections.abc import Callable, Collection
from enum import StrEnum
from functools import partial
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    InstanceOf,
    PlainSerializer,
    ValidationInfo,
    WithJsonSchema,
)

from uptainer.core.enums import ChangeLevel, Severity
from uptainer.core.errors import InvalidInputError
from uptainer.core.patterns import compile_pattern, split_transform
from uptainer.policy.window_text import format_window, parse_window
from uptainer.policy.windows import Freeze, Window


class TagScheme(StrEnum):
    """How tags are read as versions. AUTO tells the kinds apart by itself; DIGEST reads none as a version."""

    AUTO = "auto"
    SEMVER = "semver"
    CALVER = "calver"
    NUMERIC = "numeric"
    DIGEST = "digest"


class Unscanned(StrEnum):
    """What it means that an image could not be scanned: stop, leave it to a person, or go on."""

    BLOCK = "block"
    ASK = "ask"
    ALLOW = "allow"


class Tolerance(StrEnum):
    """What is done where something bad was found: stop, leave it to a person, or go on."""

    BLOCK = "block"
    ASK = "ask"
    ALLOW = "allow"


class Unsigned(StrEnum):
    """What is done with an image that nobody who is trusted is known to have signed: stop, or leave it to a person."""

    BLOCK = "block"
    ASK = "ask"


class GitOps(StrEnum):
    """What becomes of a workload that Argo CD or Flux holds to its repository: tell of it, or update it all the same."""

    REPORT = "report"
    UPDATE = "update"


def _read_window(kind: type[Window], value: object, info: ValidationInfo) -> Window:
    """A word without a space names a stored window, which the validation's context holds under its kind's noun."""
    if isinstance(value, kind):
        return value
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a {kind.noun}")  # noqa: TRY004 -- pydantic turns a ValueError, not a TypeError, into its own error
    known = (info.context or {}).get(kind.noun, {})
    if value in known:
        return _read_window(kind, known[value], info)
    try:
        return parse_window(value, kind)
    except InvalidInputError as error:
        if " " in value.strip():
            raise ValueError(str(error)) from error
        raise ValueError(f"there is no {kind.noun} named {value!r}") from error


def _check_names(kind: str, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
    """Where a policy is written, what it names must be there. Where one is read it need not: its decisions say so."""
    known: Collection[str] = (info.context or {}).get(kind, value)
    for name in value:
        if name not in known:
            there = ", ".join(sorted(known)) or "none"
            raise ValueError(f"there is no {kind} named {name!r}; known: {there}")
    return value


def _read_command(value: object) -> object:
    """A text is split as a shell would, and run by none."""
    return tuple(shlex.split(value)) if isinstance(value, str) else value


def _one_or_more(value: object) -> object:
    return (value,) if isinstance(value, str | Window) else value


def _check_pattern(value: str) -> str:
    return _checked(lambda: compile_pattern(value, "tag"), value)


def _check_transform(value: str) -> str:
    return _checked(lambda: split_transform(value), value)


def _checked(check: Callable[[], object], value: str) -> str:
    """What is empty takes a more general policy's away."""
    try:
        if value:
            check()
    except InvalidInputError as error:
        raise ValueError(str(error)) from error
    return value


TRUST = "trust"
DOCUMENT = "VEX document"
_stored = PlainSerializer(format_window, return_type=str)
# Both ways a text, so that a form or a parameter's schema can show it.
_text = WithJsonSchema({"type": "string", "examples": ["Fri 22:00-05:00 Europe/Berlin"]})
WindowField = Annotated[InstanceOf[Window], BeforeValidator(partial(_read_window, Window)), _stored, _text]
FreezeField = Annotated[InstanceOf[Freeze], BeforeValidator(partial(_read_window, Freeze)), _stored, _text]
_Said = Annotated[str, Field(min_length=1)]
_Span = Annotated[str, _text]
# What may be written is told too, for editors: one alone needs no list.
_some_windows = BeforeValidator(_one_or_more, json_schema_input_type=_Span | tuple[_Span, ...])
_some_names = BeforeValidator(_one_or_more, json_schema_input_type=_Said | tuple[_Said, ...])
_words = BeforeValidator(_read_command, json_schema_input_type=_Said | tuple[_Said, ...])
Windows = Annotated[tuple[WindowField, ...], _some_windows]
Freezes = Annotated[tuple[FreezeField, ...], _some_windows]
Names = Annotated[tuple[_Said, ...], _some_names]
Trusts = Annotated[Names, AfterValidator(partial(_check_names, TRUST))]
Documents = Annotated[Names, AfterValidator(partial(_check_names, DOCUMENT))]
Command = Annotated[tuple[_Said, ...], _words]

Pattern = Annotated[str, AfterValidator(_check_pattern)]
Transform = Annotated[str, AfterValidator(_check_transform)]
Level = Literal[ChangeLevel.DIGEST, ChangeLevel.PATCH, ChangeLevel.MINOR, ChangeLevel.MAJOR]
AutoLevel = Level | Literal["none"]
Limit = Annotated[int, Field(ge=0)] | Literal["any"]
FastTrack = Literal[Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW, "never"]
Count = Annotated[int, Field(ge=1, le=1000)]
