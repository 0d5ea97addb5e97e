"""Tag patterns as a policy takes them: checked where they enter, by the engine that will run them (RE2)."""

import re

import re2  # type: ignore[import-untyped]  # -- the wheel has no types

_MAX_LENGTH = 1000
_GROUP = re.compile(r"\$([0-9])")


def check_pattern(pattern: str) -> str:
    """The pattern itself, if RE2 takes it.

    Raises:
        ValueError: it does not; the message says why.
    """
    _count_groups(pattern)
    return pattern


def check_transform(transform: str) -> str:
    """The transform itself, if it is `PATTERN => REPLACEMENT` and its `$1` to `$9` are groups of the pattern.

    Raises:
        ValueError: it is not; the message says why.
    """
    pattern, arrow, replacement = (part.strip() for part in transform.partition("=>"))
    if not (pattern and arrow and replacement):
        raise ValueError(f"{transform!r} is not of the form PATTERN => REPLACEMENT")
    groups = _count_groups(pattern)
    missing = [index for index in _GROUP.findall(replacement) if int(index) > groups]
    if missing:
        raise ValueError(f"{transform!r} uses ${missing[0]}, and its pattern has {groups} group(s)")
    return transform


def _count_groups(pattern: str) -> int:
    if not 1 <= len(pattern) <= _MAX_LENGTH:
        raise ValueError(f"a pattern has 1 to {_MAX_LENGTH} characters, not {len(pattern)}")
    options = re2.Options()
    options.log_errors = False
    try:
        return int(re2.compile(pattern, options).groups)
    except re2.error as error:
        said = error.args[0] if error.args else b""
        text = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
        note = "; RE2 has no look-ahead and look-behind" if "perl operator" in text else ""
        raise ValueError(f"{pattern!r} is not a pattern: {text}{note}") from error
