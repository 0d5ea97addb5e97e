from collections.abc import Callable, Iterator

import pytest

from tests.lab.console import Console
from tests.lab.room import Room


@pytest.fixture
def make_console(room: Room) -> Iterator[Callable[[], Console]]:
    made: list[Console] = []

    def make() -> Console:
        made.append(Console.prepared(room))
        return made[-1]

    yield make
    for console in made:
        console.close()


@pytest.fixture
def new_console(room: Room) -> Iterator[Console]:
    """On a data directory that nobody has prepared."""
    console = Console(room.directory("up") / "data")
    yield console
    console.close()


@pytest.fixture
def console(make_console: Callable[[], Console]) -> Console:
    return make_console()
