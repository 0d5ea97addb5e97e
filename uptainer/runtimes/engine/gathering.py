"""Many small questions to one engine, side by side."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from uptainer.core.errors import NotFoundError
from uptainer.runtimes.engine.client import Engine

Json = Mapping[str, Any]

WORKERS = 4


def inspect_each(engine: Engine, path: str, ids: Sequence[str]) -> list[Json]:
    """`path` has `{}` in place of the id; what vanished meanwhile is left out.

    Each worker takes its share in one go, so that its connection and its thread are set up once.
    """
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="inspect") as pool:
        shares = pool.map(
            lambda share: _in_turn(engine, path, share), (ids[n::WORKERS] for n in range(WORKERS))
        )
        return [each for share in shares for each in share]


def _in_turn(engine: Engine, path: str, ids: Sequence[str]) -> list[Json]:
    found: list[Json] = []
    for one in ids:
        with suppress(NotFoundError):
            found.append(engine.get(path.format(one)))
    return found
