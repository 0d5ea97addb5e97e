import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uptainer.core.enums import Severity
from uptainer.store.documents import dump


@dataclass(frozen=True)
class Value:
    name: str
    at: datetime


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (datetime(2026, 3, 1, tzinfo=UTC), "2026-03-01T00:00:00+00:00"),
        (timedelta(minutes=1), 60.0),
        (Severity.HIGH, "high"),
        (Value("x", datetime(2026, 3, 1, tzinfo=UTC)), {"name": "x", "at": "2026-03-01T00:00:00+00:00"}),
        (frozenset({"b", "a"}), ["a", "b"]),
        ("a\0b", "a\N{REPLACEMENT CHARACTER}b"),
        ("a\\u0000b", "a\\u0000b"),
        ("a\\\0b", "a\\\N{REPLACEMENT CHARACTER}b"),
        ("half \ud800", "half ?"),
    ],
)
def test_a_value_becomes_json_that_postgresql_takes(value: Any, expected: Any) -> None:
    assert json.loads(dump({"x": value})) == {"x": expected}


@given(st.text())
def test_no_text_keeps_a_row_from_being_written(text: str) -> None:
    again = json.loads(dump(text))
    assert "\0" not in again
    assert len(again) == len(text)
    again.encode()


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_text_that_postgresql_takes_is_not_changed(text: str) -> None:
    assert json.loads(dump(text)) == text
