from dataclasses import dataclass
from typing import Any

from tests.lab.order import in_good_order


@dataclass(frozen=True)
class Item:
    nodeid: str
    fixturenames: tuple[str, ...] = ()


def paths(*items: Any) -> list[str]:
    return [item.nodeid for item in in_good_order(items)]


def test_files_that_run_a_system_lie_apart_and_quick_ones_are_last() -> None:
    assert paths(
        Item("tests/contract/store/a.py::x"),
        Item("tests/flows/b.py::x"),
        Item("tests/flows/b.py::y", ("system",)),
        Item("tests/integration/c.py::x"),
        Item("tests/integration/d.py::x", ("console",)),
        Item("tests/integration/e.py::x"),
        Item("tests/unit/f.py::x"),
    ) == [
        "tests/flows/b.py::x",
        "tests/flows/b.py::y",
        "tests/integration/c.py::x",
        "tests/integration/d.py::x",
        "tests/integration/e.py::x",
        "tests/contract/store/a.py::x",
        "tests/unit/f.py::x",
    ]


def test_without_systems_nothing_is_lost() -> None:
    assert paths(Item("tests/unit/a.py::x"), Item("tests/integration/b.py::x")) == [
        "tests/integration/b.py::x",
        "tests/unit/a.py::x",
    ]
    assert paths() == []
