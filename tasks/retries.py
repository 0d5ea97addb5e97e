"""How a call becomes a task: named for what it does, in a thread of its own, tried again only when that can help."""

import functools
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, ParamSpec, TypeVar

import anyio
from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import TaskRunContext
from prefect.tasks import Task, exponential_backoff

from uptainer.core.errors import TemporaryError

P = ParamSpec("P")
R = TypeVar("R")

LONGEST_WAIT = timedelta(minutes=10)
"""A longer `retry_after` is left to the next scheduled run: no process is held for it."""


def retryable(
    *, name: str, run_name: str, description: str, retries: int = 3
) -> Callable[[Callable[P, R]], Task[P, Coroutine[Any, Any, R]]]:
    """A task from a plain call: awaited by the flow, run in a thread, never cached.

    It is retried for a `TemporaryError` and for nothing else, and not before the other side said to come back.
    """

    def decorate(call: Callable[P, R]) -> Task[P, Coroutine[Any, Any, R]]:
        return task(
            name=name,
            task_run_name=run_name,
            description=description,
            retries=retries,
            retry_delay_seconds=exponential_backoff(backoff_factor=2),
            retry_jitter_factor=0.5,
            retry_condition_fn=_may_help,
            cache_policy=NO_CACHE,
            persist_result=False,
        )(_in_thread(call))

    return decorate


def _in_thread(call: Callable[P, R]) -> Callable[P, Coroutine[Any, Any, R]]:
    @functools.wraps(call)
    async def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return await anyio.to_thread.run_sync(functools.partial(call, *args, **kwargs))
        except TemporaryError as error:
            await _wait_as_asked(error)
            raise

    return run


async def _wait_as_asked(error: TemporaryError) -> None:
    context = TaskRunContext.get()
    is_last = context is None or context.task_run.run_count > context.task.retries
    if error.retry_after is not None and not is_last and not _waits_too_long(error):
        await anyio.sleep(error.retry_after.total_seconds())


def _may_help(_task: Task[..., Any], _task_run: TaskRun, state: State[Any]) -> bool:
    failure = getattr(state.data, "result", state.data)
    return isinstance(failure, TemporaryError) and not _waits_too_long(failure)


def _waits_too_long(error: TemporaryError) -> bool:
    return error.retry_after is not None and error.retry_after > LONGEST_WAIT
