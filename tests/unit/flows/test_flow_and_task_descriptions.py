import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from prefect import Flow, Task
from prefect.client.schemas.objects import ConcurrencyLimitStrategy

import flows
import tasks
from deployments import definition

Work = Flow[..., Any] | Task[..., Any]


def modules_of(package: ModuleType) -> Iterator[ModuleType]:
    for each in pkgutil.iter_modules(package.__path__):
        yield importlib.import_module(f"{package.__name__}.{each.name}")


def everything(package: ModuleType) -> dict[str, Work]:
    """Each flow or task of this package, by its name."""
    kind = Flow if package is flows else Task
    found: dict[int, Work] = {
        id(value): value
        for module in modules_of(package)
        for value in vars(module).values()
        if isinstance(value, kind)
    }
    named = {each.name: each for each in found.values()}
    assert len(named) == len(found), "two have one name"
    return named


FLOWS = everything(flows)
TASKS = everything(tasks)


def test_there_are_flows_and_tasks_to_look_at() -> None:
    assert set(FLOWS) == {each.name for each in definition.read()}
    assert len(TASKS) > 20


@pytest.mark.parametrize("name", FLOWS)
def test_a_flow_says_what_it_does_and_its_runs_what_they_are_about(name: str) -> None:
    flow = FLOWS[name]
    assert isinstance(flow, Flow)
    assert len(flow.description or "") > 30
    assert flow.flow_run_name


@pytest.mark.parametrize("name", TASKS)
def test_a_task_says_what_it_does_and_its_runs_what_they_are_about(name: str) -> None:
    task = TASKS[name]
    assert isinstance(task, Task)
    assert len(task.description or "") > 15
    assert task.task_run_name


@pytest.mark.parametrize("name", FLOWS)
def test_each_parameter_of_a_flow_is_explained_where_it_is_filled_in(name: str) -> None:
    flow = FLOWS[name]
    assert isinstance(flow, Flow)
    for parameter, schema in flow.parameters.properties.items():
        assert schema.get("description"), f"{parameter}: Prefect shows what the docstring's Args say of it"


def test_the_page_names_each_flow_that_is_cancelled_while_it_runs_already() -> None:
    page = (Path(__file__).parents[3] / "docs" / "triggering.md").read_text()
    named = re.findall(r"`(.*?)`", page.partition("A sweep (")[2].partition(")")[0])
    limits = {each.name: each.concurrency_limit for each in definition.read()}
    cancel = ConcurrencyLimitStrategy.CANCEL_NEW
    assert named == [name for name, limit in limits.items() if limit and limit.collision_strategy is cancel]
