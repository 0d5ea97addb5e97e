"""JSON as PostgreSQL takes it.

Labels and titles come from images that strangers made: a NUL or half a surrogate pair in one of them, which jsonb
refuses, must not keep a whole host from being read.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from datetime import datetime, timedelta
from typing import Any

_ESCAPED_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


def dump(value: Any) -> str:
    """Frozen values, dates (ISO 8601) and durations (seconds) may be in it."""
    text = json.dumps(value, default=_plain, ensure_ascii=False)
    if "\\u0000" in text:
        text = _ESCAPED_NUL.sub(r"\1\\ufffd", text)
    return text.encode("utf-8", "replace").decode()


def load(text: str) -> Any:
    """What comes back from the database for what `dump` made of a value."""
    return json.loads(text)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    return str(value)
