"""A person's patterns over tags, run by RE2: time grows with the tag's length, whatever the pattern.

Source: https://github.com/google/re2/wiki/Syntax. `docs/decisions/0002-re2-for-patterns.md` says why.
"""

import re
from functools import lru_cache
from typing import Protocol, cast

import re2  # type: ignore[import-untyped]  # -- the wheel has no types; `_Pattern` states what is used of it

from uptainer.core.errors import InvalidInputError

MAX_PATTERN_LENGTH = 1000
_MEMORY = 1 << 20
_GROUP = re.compile(r"\$([0-9])")


class _Match(Protocol):
    def group(self, index: int) -> str | None: ...


class _Pattern(Protocol):
    @property
    def groups(self) -> int: ...

    def search(self, text: str) -> _Match | None: ...


@lru_cache(maxsize=1024)
def compile_pattern(pattern: str, purpose: str) -> _Pattern:
    """Compile one pattern; `purpose` (include, exclude, transform) is named when it is refused.

    Raises:
        InvalidInputError: RE2 does not take it; the message says which pattern and why.
    """
    if not pattern or len(pattern) > MAX_PATTERN_LENGTH:
        raise InvalidInputError(
            f"the {purpose} pattern must have 1 to {MAX_PATTERN_LENGTH} characters, not {len(pattern)}"
        )
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY
    try:
        return cast("_Pattern", re2.compile(pattern, options))
    except re2.error as error:
        raise InvalidInputError(f"the {purpose} pattern {pattern!r} is refused: {_why(error)}") from error


def _why(error: Exception) -> str:
    said = error.args[0] if error.args else ""
    text = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
    if "perl operator" in text:
        return f"{text} (look-ahead and look-behind are not known to RE2)"
    return text or "it is not a regular expression"


def matches(pattern: str, purpose: str, tag: str) -> bool:
    """Whether the pattern is found anywhere in the tag; `^` and `$` tie it to the ends."""
    return compile_pattern(pattern, purpose).search(tag) is not None


def split_transform(transform: str) -> tuple[str, str]:
    """Read `PATTERN => REPLACEMENT`, where `$1` in the replacement is the pattern's first group.

    Raises:
        InvalidInputError: it is not of that form, or speaks of a group that the pattern does not have.
    """
    pattern, arrow, replacement = (part.strip() for part in transform.partition("=>"))
    if not (pattern and arrow and replacement):
        raise InvalidInputError(f"the transform {transform!r} is refused: write it as PATTERN => REPLACEMENT")
    groups = compile_pattern(pattern, "transform").groups
    for index in map(int, _GROUP.findall(replacement)):
        if index > groups:
            raise InvalidInputError(
                f"the transform {transform!r} is refused: it uses ${index}, and its pattern has {groups} group(s)"
            )
    return pattern, replacement


def transform_tag(transform: str, tag: str) -> str:
    """The tag as the transform rewrites it; one that the pattern is not found in stays as it is."""
    pattern, replacement = split_transform(transform)
    found = compile_pattern(pattern, "transform").search(tag)
    if not found:
        return tag
    return _GROUP.sub(lambda group: found.group(int(group[1])) or "", replacement)
