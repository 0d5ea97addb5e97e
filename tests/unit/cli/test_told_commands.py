"""What messages, docstrings and pages tell people to run is there to be run."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from uptainer.cli import completion
from uptainer.cli.main import build

ROOT = Path(__file__).parents[3]
ROOMS = ("uptainer", "flows", "tasks", "blocks", "deployments")
SOURCES = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMAND = re.compile(r"`uptainer ([^`]+)`")
COMMANDS: Any = typer.main.get_command(build())
FILLED_IN = "X"


def texts(tree: ast.AST) -> Iterator[str]:
    """Every string, one that is put together at run time with FILLED_IN where something is put in."""
    if isinstance(tree, ast.JoinedStr):
        yield "".join(
            str(part.value) if isinstance(part, ast.Constant) else FILLED_IN for part in tree.values
        )
    elif isinstance(tree, ast.Constant) and isinstance(tree.value, str):
        yield tree.value
    else:
        for child in ast.iter_child_nodes(tree):
            yield from texts(child)


def told() -> Iterator[tuple[str, str]]:
    for path in SOURCES:
        for text in texts(ast.parse(path.read_text())):
            yield from ((path.name, found) for found in COMMAND.findall(text))
    for path in PAGES:
        yield from ((path.name, found) for found in COMMAND.findall(path.read_text()))


def stranger(words: str) -> str | None:
    """The first word that no command, flow or option of Uptainer's has; None where all are known."""
    command = COMMANDS
    for word in words.split():
        if word == "..." or (command is COMMANDS and word.isupper()):
            return None
        if word in getattr(command, "commands", {}):
            command = command.commands[word]
        elif not takes(command, word):
            return word
    return None


def takes(command: Any, word: str) -> bool:
    if word.startswith("-"):
        options = {name for each in command.params for name in each.opts} | {"-h", "--help"}
        return word.partition("=")[0] in options
    if hasattr(command, "commands"):
        return command is not COMMANDS and bool(command.invoke_without_command)
    return command.name != "run" or "=" in word or word.isupper() or word in completion.FLOWS


def test_a_command_that_people_are_told_to_run_is_one() -> None:
    found = list(told())
    assert [(where, words) for where, words in found if stranger(words)] == []
    assert ("rollback.py", f"run recover -p insist={FILLED_IN} --wait") in found


@pytest.mark.parametrize(
    ("words", "unknown"),
    [
        ("recover", "recover"),
        ("run recovery", "recovery"),
        ("run recover -p insist=3 --wiat", "--wiat"),
        ("window erase nights", "erase"),
        ("run recover -p insist=3 --wait", None),
        ("policy ...", None),
    ],
)
def test_one_that_is_none_is_found(words: str, unknown: str | None) -> None:
    assert stranger(words) == unknown


def test_nobody_is_told_to_install_the_stranger_of_our_name_on_pypi() -> None:
    told_so = re.compile(r"pip install \W*uptainer")
    assert [path.name for path in (*SOURCES, *PAGES) if told_so.search(path.read_text())] == []
