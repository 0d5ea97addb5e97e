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


def uptainer(*words: str, typed: str | None = None) -> Ended:
    """Run one command. `typed` is what a person at the terminal types; without it nobody is there."""
    out, err = io.StringIO(), io.StringIO()
    keyboard, spoken = _Keyboard(typed), patch.object(sys, "argv", ["uptainer", *words])
    with redirect_stdout(out), redirect_stderr(err), patch.object(sys, "stdin", keyboard), spoken:
        code = _exit_code()
    return Ended(code, out.getvalue(), err.getvalue())


def _exit_code() -> int:
    try:
        main()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(bool(ended.code))
    return 0


class _Keyboard(io.StringIO):
    def __init__(self, typed: str | None) -> None:
        super().__init__(typed or "")
        self._is_there = typed is not None

    def isatty(self) -> bool:
        return self._is_there
