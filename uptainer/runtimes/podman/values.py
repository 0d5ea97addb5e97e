"""The small grammars of Podman's options: sizes, lists of `key=value`, namespaces, entrypoints. Pure."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from uptainer.core.errors import RefusedError

_SIZE = re.compile(r"([0-9.]+)\s*([bkmgtp]?)i?b?", re.IGNORECASE)
_UNITS = "bkmgtp"


def pairs(items: Iterable[str]) -> dict[str, str]:
    """`a=b`; what has no sign of equality is there with an empty value."""
    split = (item.partition("=") for item in items if item)
    return {name: value for name, _, value in split}


def secret_fields(text: str) -> dict[str, str]:
    """`token`, `token,type=env` or `type=env,source=token`: `source` and `type` are always there."""
    first, _, rest = text.partition(",")
    fields = pairs(text.split(",")) if "=" in first else {"source": first, **pairs(rest.split(","))}
    return {"source": "", "type": "mount", **fields}


def size(text: str, base: int) -> int:
    """`10m` in bytes; `base` is 1000 or 1024. Raises RefusedError."""
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise RefusedError(f"{text!r} is not a size that can be read")
    exponent = _UNITS.index((found[2] or "b").lower())
    return int(float(found[1]) * base**exponent)


def namespace(value: str | None, names_of: Mapping[str, str]) -> dict[str, str] | None:
    """`host`, `container:web`, `keep-id:uid=5`; another container by its name, for its id may change."""
    if value is None:
        return None
    mode, _, rest = value.partition(":")
    if mode == "container":
        rest = names_of.get(rest, rest)
    return {"nsmode": "path", "value": rest} if mode == "ns" else _without_blanks(mode, rest)


def _without_blanks(mode: str, rest: str) -> dict[str, str]:
    return {"nsmode": mode, "value": rest} if rest else {"nsmode": mode}


def entrypoint_of(value: str | None) -> list[str] | None:
    """A JSON list, or one word; an empty one takes the image's away."""
    if value is None:
        return None
    try:
        read: Any = json.loads(value)
    except ValueError:
        return [value]
    return [str(each) for each in read] if isinstance(read, list) else [value]
