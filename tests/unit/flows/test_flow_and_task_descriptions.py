import importlib
import pkgutil
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from prefect import Flow, Task

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
