"""A refusal ends a run with its sentence, and without a traceback: what to do stands in it, and nothing went wrong."""

import functools
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec

from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger
from prefect.states import Failed

from uptainer.core.errors import UptainerError

P = ParamSpec("P")
Run = Callable[P, Coroutine[Any, Any, State[Any]]]


def plainly(run: Run[P]) -> Run[P]:
    """Beneath `@flow`: an error that we raise on purpose becomes the failed state's message."""

    @functools.wraps(run)
    async def refusing(*args: P.args, **kwargs: P.kwargs) -> State[Any]:
        try:
            return await run(*args, **kwargs)
        except UptainerError as error:
            get_run_logger().error(str(error))
            return Failed(message=str(error))

    return refusing
