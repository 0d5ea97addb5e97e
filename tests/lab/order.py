"""In which order files of tests are given to the processes that run them side by side."""

from collections.abc import Iterator, Sequence

import pytest

SYSTEMS = frozenset({"console", "new_console", "system", "prefect_server"})
"""Fixtures that keep a whole core busy: two of them at once make each other slow."""

_QUICK = ("unit", "contract")


def in_good_order(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Files stay whole. Those that run a system lie apart from each other; quick ones are last, and fill what is left."""
    files: dict[str, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.nodeid.partition("::")[0], []).append(item)
    systems = [path for path, tests in files.items() if any(map(_runs_a_system, tests))]
    others = [path for path in files if path not in systems]
    quick = [path for path in others if _is_quick(path)]
    slow = [path for path in others if not _is_quick(path)]
    return [item for path in (*_apart(systems, slow), *quick) for item in files[path]]


def _apart(few: Sequence[str], many: Sequence[str]) -> Iterator[str]:
    for number, path in enumerate(few):
        yield path
        yield from many[len(many) * number // len(few) : len(many) * (number + 1) // len(few)]
    if not few:
        yield from many


def _runs_a_system(item: pytest.Item) -> bool:
    return not SYSTEMS.isdisjoint(getattr(item, "fixturenames", ()))


def _is_quick(path: str) -> bool:
    """A contract of the runtimes is kept on real engines."""
    return path.split("/")[1] in _QUICK and "/runtimes/test_runtime_" not in path
