"""What is read from words and how values are written, without any engine."""

import io
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import typer

from uptainer.cli.asking import confirm
from uptainer.cli.audit import read_head
from uptainer.cli.credentials import registry_name
from uptainer.cli.groups import setting
from uptainer.cli.policing import read_settings
from uptainer.cli.policy_fields import fields_of
from uptainer.cli.prefect.requests import check_parameters, read_parameters
from uptainer.cli.rows import cell
from uptainer.cli.updating import read_since
from uptainer.core.enums import PolicyScope, UpdateStatus
from uptainer.core.errors import InvalidInputError, RefusedError
from uptainer.policy.layers import Layer, merge
from uptainer.policy.settings import parse_settings

NOW = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["workload", "operation"],
    "properties": {
        "workload": {"type": "string", "minLength": 1},
        "operation": {"type": "string", "enum": ["start", "stop"]},
        "command": {
            "anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}],
            "default": None,
        },
        "tail": {"type": "integer", "minimum": 1, "default": 200},
        "force": {"type": "boolean", "default": False},
    },
}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "yes"),
        (False, "no"),
        (UpdateStatus.WAITING_FOR_WINDOW, "waiting for window"),
        (datetime(2026, 3, 14, 13, 5, 59, tzinfo=timezone(timedelta(hours=1))), "2026-03-14 12:05"),
        (("a", 1), "a, 1"),
        ({"mode": "auto", "soak": 3}, "mode: auto, soak: 3"),
        ("[bold]x", "[bold]x"),
    ],
)
def test_a_cell_is_written_as_a_person_reads_it(value: object, text: str) -> None:
    assert cell(value) == text


@pytest.mark.parametrize(
    ("words", "given"),
    [
        (["mode=auto"], {"mode": "auto"}),
        (["windows=a", "windows=b"], {"windows": ["a", "b"]}),
        (["tag_include=^v=1"], {"tag_include": "^v=1"}),
        (['probes=[{"kind": "tcp", "port": 5432}]'], {"probes": [{"kind": "tcp", "port": 5432}]}),
        (["tag_include=[0-9]+"], {"tag_include": "[0-9]+"}),
        (["approvers="], {"approvers": ""}),
    ],
)
def test_settings_are_read_from_words(words: list[str], given: dict[str, Any]) -> None:
    assert read_settings(words) == given


@pytest.mark.parametrize("word", ["mode", "=auto", "probes=[{", "probes={"])
def test_a_word_that_is_no_setting_is_refused(word: str) -> None:
    with pytest.raises(InvalidInputError):
        read_settings([word])


@pytest.mark.parametrize(
    ("text", "since"),
    [
        ("30d", datetime(2026, 2, 12, 12, tzinfo=UTC)),
        ("2026-03-01", datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026-03-01T06:00+01:00", datetime(2026, 3, 1, 5, tzinfo=UTC)),
    ],
)
def test_since_is_a_duration_or_a_date(text: str, since: datetime) -> None:
    assert read_since(text, NOW) == since


@pytest.mark.parametrize("text", ["", "yesterday", "30", "2026-02-30"])
def test_since_that_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError, match="is no time"):
        read_since(text, NOW)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("ghcr.io", "ghcr.io"),
        ("https://ghcr.io/", "ghcr.io"),
        ("localhost:5000", "localhost:5000"),
        ("index.docker.io", "docker.io"),
    ],
)
def test_a_registry_is_named_as_references_name_it(text: str, name: str) -> None:
    assert registry_name(text) == name


@pytest.mark.parametrize("text", ["", "ghcr.io/owner", "http://ghcr.io", "a b", "nginx"])
def test_what_is_no_registry_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError, match="not a registry's host name"):
        registry_name(text)


def test_a_head_is_an_id_and_a_hash() -> None:
    assert read_head(f" 42:{'AB' * 32}").id == 42
    for text in ("42", "42:", f"x:{'ab' * 32}", f"42:{'ab' * 31}"):
        with pytest.raises(InvalidInputError, match="not ID:HASH"):
            read_head(text)


def test_typed_parameters_become_what_the_flow_wants() -> None:
    typed = {"workload": "123", "command": '["date"]', "tail": "5", "force": "true", "operation": "stop"}
    read = read_parameters(SCHEMA, typed)
    assert read == {"workload": "123", "command": ["date"], "tail": 5, "force": True, "operation": "stop"}
    check_parameters("operate", SCHEMA, read)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"operation": "stop"}, "'workload' is a required property"),
        ({"workload": "", "operation": "stop"}, "workload:"),
        ({"workload": "w", "operation": "explode"}, "operation: 'explode' is not one of"),
        ({"workload": "w", "operation": "stop", "tail": "many"}, "tail: 'many' is not of type 'integer'"),
        ({"workload": "w", "operation": "stop", "tail": "0"}, "tail: 0 is less than the minimum of 1"),
        ({"workload": "w", "operation": "stop", "tial": "1"}, "no parameter 'tial'; it has: command, force"),
    ],
)
def test_a_wrong_parameter_is_said_before_anything_is_started(typed: dict[str, str], said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        check_parameters("operate", SCHEMA, read_parameters(SCHEMA, typed))


@pytest.mark.parametrize("text", ["force", "=true"])
def test_a_parameter_is_key_and_value(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        setting(text)


def test_a_policy_is_shown_whole_with_what_somebody_set_first() -> None:
    layer = Layer(PolicyScope.HOST, "nas", parse_settings({"windows": "Fri 22:00-05:00 UTC", "soak": "1m"}))
    lines = fields_of(merge([layer]))
    assert {line.field for line in lines[:2]} == {"windows", "soak"}
    assert lines[0].value == "each Friday from 22:00 to 05:00 on the next day, UTC"
    assert lines[0].source == "the policy of the host nas"
    assert lines[-1].source == "the built-in default"


def test_nobody_at_the_terminal_is_no_yes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    with pytest.raises(RefusedError, match="add --yes"):
        confirm("Really?", yes=False)
    confirm("Really?", yes=True)
