"""Each example on the page of commands is one that the commands take."""

import shlex
from pathlib import Path
from typing import Any

import pytest
import typer.main

from uptainer.cli.main import build

PAGE = Path(__file__).parents[3] / "docs" / "commands.md"
EXAMPLES = [line.strip() for line in PAGE.read_text().splitlines() if line.startswith("    uptainer ")]
WITH_EXIT = ("--install-completion", "--show-completion")


@pytest.mark.parametrize("line", [line for line in EXAMPLES if not line.endswith(WITH_EXIT)])
def test_an_example_is_taken_as_it_stands(line: str) -> None:
    _, *words = shlex.split(line)
    command: Any = typer.main.get_command(build())
    context, name = None, "uptainer"
    while True:
        context = command.make_context(name, list(words), parent=context)
        if not hasattr(command, "commands"):
            return
        words = [*context._protected_args, *context.args]
        name, command, words = command.resolve_command(context, words)


def test_every_command_has_an_example_on_the_page() -> None:
    root: Any = typer.main.get_command(build())
    told = {line.split()[1] for line in EXAMPLES}
    assert set(root.commands) - told == {"up", "down", "status"}
