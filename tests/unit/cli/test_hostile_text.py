"""What strangers wrote, on a terminal: it neither moves the cursor nor hides."""

import io
import json
import logging
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pkgutil import resolve_name

import pytest

from flows.logs import TerminalHandler
from uptainer.cli import output
from uptainer.cli.asking import confirm
from uptainer.cli.rows import heading, print_facts
from uptainer.cli.saying import say
from uptainer.cli.screen import Screen
from uptainer.console.prefect_server import CLIENT_SETTINGS
from uptainer.core.errors import RefusedError

HOSTILE = "x\x1b[2J\x9b\u202e\x7fy"
BARRED = ("\x1b[2J", "\x9b", "\u202e", "\x7f")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], str]:
    """What stands on a terminal after this, as the program wrote it."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)

    def run(act: Callable[[], object]) -> str:
        screen = Terminal()
        with redirect_stdout(screen), redirect_stderr(screen):
            act()
        return screen.getvalue()

    return run


Shown = Callable[[Callable[[], object]], str]


def step(doing: str) -> None:
    with Screen().step(doing):
        pass


def log(text: str) -> None:
    record = logging.makeLogRecord({"msg": "failed: %s", "args": (text,), "levelno": logging.ERROR})
    TerminalHandler(sys.stderr).emit(record)


@pytest.mark.parametrize(
    "print_it",
    [
        lambda text: output.print_table(["a"], [[text]]),
        lambda text: print_facts({"reason": text}),
        heading,
        say,
        lambda text: say(text, err=True),
        lambda text: Screen().say(text),
        step,
        log,
    ],
    ids=["table", "facts", "heading", "sentence", "error", "progress", "step", "log"],
)
def test_nothing_that_is_printed_is_obeyed_or_hidden(print_it: Callable[[str], None], shown: Shown) -> None:
    text = shown(lambda: print_it(HOSTILE))
    assert "x\N{REPLACEMENT CHARACTER}[2J" in text
    assert not [each for each in BARRED if each in text]


def test_what_is_bold_stays_bold(shown: Shown) -> None:
    assert "\x1b[1m" in shown(lambda: output.print_table(["a"], [["b"]]))
    assert shown(lambda: say("Update 7", bold=True)).startswith("\x1b[1m")


def test_a_cell_makes_no_row_of_its_own(shown: Shown) -> None:
    text = shown(lambda: output.print_table(["id", "status"], [["7", "waits\n8   approved"]]))
    assert len(text.splitlines()) == 2


def test_a_question_is_one_line(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    def ask() -> None:
        monkeypatch.setattr(sys, "stdin", Terminal("n\n"))
        with pytest.raises(RefusedError, match="nothing was done"):
            confirm(f"Approve update 7 (nginx 1.27.2 -> {HOSTILE}\n\n)?", yes=False)

    text = shown(ask)
    assert text.startswith("Approve update 7 (nginx 1.27.2 -> x\N{REPLACEMENT CHARACTER}[2J")
    assert text.endswith(")? [y/N]: ")
    assert "\n" not in text
    assert not [each for each in BARRED if each in text]


def test_json_says_the_same_in_harmless_characters(shown: Shown) -> None:
    value = {"büro": f"{HOSTILE}\U000e0041\n\t"}
    text = shown(lambda: output.print_json(value))
    assert json.loads(text) == value
    assert "büro" in text
    assert not [each for each in (*BARRED, "\U000e0041") if each in text]


def test_the_runs_of_uptainer_up_log_so() -> None:
    assert resolve_name(CLIENT_SETTINGS["PREFECT_LOGGING_HANDLERS_CONSOLE_CLASS"]) is TerminalHandler
