"""Running `uptainer` in this process, as a terminal would: words in, output and exit code out."""

import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from uptainer.cli.main import main


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that ended: its exit code, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def uptainer(*words: str, typed: str | None = None, piped: str = "") -> Ended:
    """Run one command. `typed` is what a person at the terminal types; without it nobody is there, and it reads `piped`."""
    out, err = io.StringIO(), io.StringIO()
    keyboard = _Input(piped if typed is None else typed, is_terminal=typed is not None)
    spoken = patch.object(sys, "argv", ["uptainer", *words])
    with redirect_stdout(out), redirect_stderr(err), patch.object(sys, "stdin", keyboard), spoken:
        code = _exit_code()
    return Ended(code, out.getvalue(), err.getvalue())


def _exit_code() -> int:
    try:
        main()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(bool(ended.code))
    return 0


class _Input(io.TextIOWrapper):
    def __init__(self, text: str, *, is_terminal: bool) -> None:
        super().__init__(io.BytesIO(text.encode()))
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal
