"""What `uptainer up` shows while it starts: a moving line on a terminal, plain lines in a log."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.text import Text

from uptainer.cli.output import console
from uptainer.core.text import one_line, seen


class Screen:
    def __init__(self, given: Console | None = None) -> None:
        self.console = given or console()

    def say(self, sentence: str) -> None:
        self.console.print(Text(seen(sentence)))

    @contextmanager
    def step(self, doing: str) -> Iterator[None]:
        """One step of the start, with the seconds that it took."""
        doing = one_line(doing)
        begun = time.monotonic()
        with self.console.status(Text(f"{doing} ...")):
            yield
        self.console.print(Text(f"{doing} ... {time.monotonic() - begun:.1f} s"), style="dim")
