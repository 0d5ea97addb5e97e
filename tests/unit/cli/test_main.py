import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import pytest
import typer
from typer.testing import CliRunner

from uptainer.cli import main, output
from uptainer.core.errors import BusyError, NotFoundError, RefusedError, UnreachableError


class Raises:
    """A module of commands whose one command raises."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def register(self, app: typer.Typer) -> None:
        app.command("fail")(self.fail)
        app.command("other")(lambda: None)

    def fail(self) -> None:
        raise self.error


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], int]:
    def fail_with(error: BaseException) -> int:
        monkeypatch.setattr(main, "MODULES", (Raises(error),))
        monkeypatch.setattr(sys, "argv", ["uptainer", "fail"])
        with pytest.raises(SystemExit) as ended:
            main.main()
        return int(ended.value.code or 0)

    return fail_with


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RefusedError("the window is closed"), 1),
        (NotFoundError("there is no host"), 1),
        (UnreachableError("nothing answers"), 75),
        (BusyError("somebody else holds it"), 75),
        (ZeroDivisionError("a fault"), 70),
        (KeyboardInterrupt(), 130),
    ],
)
def test_the_exit_code_says_whether_trying_again_may_help(
    run: Callable[[BaseException], int], error: BaseException, code: int
) -> None:
    assert run(error) == code


def test_an_error_is_one_line_on_stderr(
    run: Callable[[BaseException], int], capsys: pytest.CaptureFixture[str]
) -> None:
    run(RefusedError("the window is closed"))
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "uptainer: the window is closed\n")


def test_an_error_that_tells_what_a_stranger_wrote_is_not_obeyed(
    run: Callable[[BaseException], int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UPTAINER_DEBUG", "1")
    run(RefusedError("the engine said: \x1b[2J\x9b\u202e"))
    shown = capsys.readouterr().err
    assert shown.count("the engine said: \N{REPLACEMENT CHARACTER}[2J") == len(["traceback", "sentence"])
    assert not {"\x1b", "\x9b", "\u202e"} & set(shown)


def test_debug_adds_the_traceback(
    run: Callable[[BaseException], int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UPTAINER_DEBUG", "1")
    run(RefusedError("the window is closed"))
    assert "Traceback" in capsys.readouterr().err


def test_help_is_there_with_examples_and_imports_no_prefect() -> None:
    code = (
        "import sys; from uptainer.cli.main import build; from typer.testing import CliRunner;"
        "r = CliRunner().invoke(build(), ['up', '--help']); assert 'Example' in r.output, r.output;"
        "assert not [name for name in sys.modules if name == 'prefect' or name.startswith('docker')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_the_shell_is_offered_completion() -> None:
    shown = CliRunner().invoke(main.build(), ["--help"])
    assert "--install-completion" in shown.output


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True)
class Row:
    name: str
    at: datetime
    colour: Colour


def test_json_holds_times_and_names_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_json([Row("a", datetime(2026, 1, 2, tzinfo=UTC), Colour.RED)])
    assert json.loads(capsys.readouterr().out) == [
        {"name": "a", "at": "2026-01-02T00:00:00Z", "colour": "red"}
    ]


def test_nothing_in_a_cell_is_read_as_markup(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table(["name"], [["[red]web[/red]"]])
    assert "[red]web[/red]" in capsys.readouterr().out
