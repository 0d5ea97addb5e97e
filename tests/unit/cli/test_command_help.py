"""Every command's help and completion, without a database."""

from collections.abc import Iterator
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from deployments import definition
from uptainer.cli import completion
from uptainer.cli.main import build

RUNNER = CliRunner()
COMPLETES = {"_UPTAINER_COMPLETE": "complete_bash"}


def commands(group: Any = None, *path: str) -> Iterator[tuple[str, ...]]:
    root: Any = group or typer.main.get_command(build())
    for name, command in root.commands.items():
        if command.hidden:  # another name of one that is shown
            continue
        if hasattr(command, "commands"):
            yield from commands(command, *path, name)
        else:
            yield (*path, name)


def offered(words: str, environment: dict[str, str] | None = None) -> set[str]:
    told = {**COMPLETES, "COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}
    ended = RUNNER.invoke(build(), [], env={**told, **(environment or {})}, prog_name="uptainer")
    return set(ended.output.split())


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_every_command_has_help_with_an_example_of_itself(words: tuple[str, ...]) -> None:
    ended = RUNNER.invoke(build(), [*words, "--help"], env={"COLUMNS": "200"})
    assert ended.exit_code == 0
    noun = " ".join(word for word in words if word != "list")
    assert f"uptainer {noun}" in ended.output.split("Example", 1)[1]


@pytest.mark.parametrize(
    "words",
    [
        "host list",
        "containers list",
        "updates",
        "history",
        "scans list",
        "backups",
        "audit list",
        "policy list",
        "window list",
        "credentials list",
        "notices list",
        "policy show",
        "containers show",
        "scans show",
    ],
)
def test_whatever_lists_or_shows_takes_json(words: str) -> None:
    assert "--json" in RUNNER.invoke(build(), [*words.split(), "--help"], env={"COLUMNS": "200"}).output


@pytest.mark.parametrize(
    ("words", "among"),
    [
        ("uptainer up", {"up", "updates", "update"}),
        ("uptainer run re", {"recover", "restore", "report"}),
        ("uptainer host ", {"add", "list", "test", "sync", "remove"}),
        ("uptainer scans sh", {"show"}),
        ("uptainer policy set ", {"default", "host", "project", "label", "container"}),
    ],
)
def test_the_shell_completes_commands_flows_and_choices(words: str, among: set[str]) -> None:
    assert among <= offered(words)


def test_without_a_database_tab_offers_nothing_and_breaks_nothing(tmp_path: Any) -> None:
    nothing = {"UPTAINER_DATA_DIR": str(tmp_path), "UPTAINER_DATABASE_URL": ""}
    assert offered("uptainer host test ", nothing) == set()


def test_the_flows_that_tab_offers_are_those_of_prefect_yaml() -> None:
    assert list(completion.FLOWS) == [each.name for each in definition.read()]


@pytest.mark.parametrize(
    "words",
    [
        "approve",
        "approve one",
        "approve 0",
        "snooze 3",
        "restore -1",
        "history --status done",
        "run",
        "policy set everyone mode=auto",
        "host add",
        "audit verify --heads x",
        "nonsense",
        "host add a b --timeout 0",
    ],
)
def test_wrong_usage_is_told_from_a_failure_by_its_exit_code(words: str) -> None:
    assert RUNNER.invoke(build(), words.split()).exit_code == 2
