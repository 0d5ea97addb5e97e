"""Things done at the same time, begun together."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any


def side_by_side(*calls: Callable[[], Any]) -> list[Any]:
    """What each gave, in their order; an exception is given like a result."""
    barrier = Barrier(len(calls))

    def begin(call: Callable[[], Any]) -> Any:
        barrier.wait(timeout=30)
        try:
            return call()
        except Exception as error:  # noqa: BLE001 -- what was raised is what the test looks at
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return [done.result(timeout=240) for done in [pool.submit(begin, call) for call in calls]]
