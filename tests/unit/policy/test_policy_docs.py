"""The pages on policies and labels say what there is: every example is taken, every field and label is named."""

import re
from io import StringIO
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from uptainer.policy import labels
from uptainer.policy.durations import parse_duration
from uptainer.policy.foreign_labels import FOREIGN
from uptainer.policy.labels import read_labels
from uptainer.policy.settings import EffectivePolicy, parse_settings
from uptainer.policy.window_text import parse_window
from uptainer.policy.windows import Window

DOCS = Path(__file__).parents[3] / "docs"
POLICIES = (DOCS / "policies.md").read_text()
LABELS = (DOCS / "labels.md").read_text()


def section(page: str, title: str) -> str:
    return page.split(f"## {title}\n")[1].split("\n## ", maxsplit=1)[0]


def rows(text: str) -> list[list[str]]:
    table = [line for line in text.splitlines() if line.startswith("| ")][1:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


@pytest.mark.parametrize("example", re.findall(r"```yaml\n(.*?)```", POLICIES, re.DOTALL))
def test_each_example_of_a_policy_is_taken(example: str) -> None:
    assert parse_settings(YAML(typ="safe").load(StringIO(example))).model_fields_set


@pytest.mark.parametrize(
    "text",
    [
        each
        for row in rows(section(POLICIES, "How a window is written"))
        for each in quoted(row[0])
        if "..." not in each
    ],
)
def test_each_window_shown_is_taken(text: str) -> None:
    assert parse_window(text, Window)


def test_every_field_is_in_the_table() -> None:
    named = {field for row in rows(section(POLICIES, "All fields")) for field in quoted(row[0])}
    assert named == set(EffectivePolicy.model_fields) - {"sources"}


def test_the_built_in_values_are_those_of_the_table() -> None:
    built_in = EffectivePolicy()
    shown = built_in.model_dump(mode="json")
    for row in rows(section(POLICIES, "All fields")):
        for field in quoted(row[0]):
            if row[2].startswith("`"):
                told = row[2].strip("`")
                actual = shown[field]
                assert (
                    parse_duration(told) == getattr(built_in, field)
                    if re.fullmatch(r"\d+[smhd]", told)
                    else told == str(actual).lower()
                )
            else:
                assert not shown[field], field


@pytest.mark.parametrize(
    "example", [quoted(row[1])[0] for row in rows(section(LABELS, "What do you want to do?"))]
)
def test_each_example_of_a_label_is_taken(example: str) -> None:
    label, _, value = example.partition("=")
    reading = read_labels({label: value}, {})
    assert reading.faults == ()
    assert reading.sources or reading.policy


def test_every_label_is_in_the_table_with_its_field() -> None:
    named = {label: quoted(row[2]) for row in rows(section(LABELS, "All labels")) for label in quoted(row[0])}
    assert set(named) == set(labels._ALL)
    for label, (field, _) in labels._OWN.items():
        assert field in named[label]


def test_every_label_of_another_tool_is_in_the_table() -> None:
    named = {
        each.partition("=")[0]
        for row in rows(section(LABELS, "Coming from another tool"))
        for each in quoted(row[0])
    }
    assert named - {"patch", "minor", "major"} == set(FOREIGN)
