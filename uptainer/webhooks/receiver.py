"""The receiver: a notification is proved, read, and announced where something here runs what was pushed.

It answers 202 once the push is announced, so that a registry that hears 503 can send it again.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from uptainer.core.errors import InvalidInputError, RateLimitedError, UptainerError
from uptainer.core.pushes import Push
from uptainer.webhooks.payloads import read_pushes
from uptainer.webhooks.proofs import NOBODY, Source, is_proved
from uptainer.webhooks.rates import Rate

logger = logging.getLogger(__name__)

PATH = "/webhooks"
MAX_BODY = 1024 * 1024
"""Bytes."""
BODY_SECONDS = 10.0
"""How long a body may take to arrive."""
AGAIN_SECONDS = "60"


class _RefusedError(Exception):
    """The answer to a notification that is not taken, as it is told to the sender."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclass(slots=True)
class Receiver:
    """`running` says which of these repositories something here runs; `announce` tells of pushes to those."""

    sources: Callable[[], Awaitable[Mapping[str, Source]]]
    running: Callable[[Sequence[str]], Awaitable[frozenset[str]]]
    announce: Callable[[Sequence[Push]], Awaitable[None]]
    clock: Callable[[], float] = time.monotonic
    taken: Rate = field(default_factory=lambda: Rate(burst=120, a_minute=120))
    unproved: Rate = field(default_factory=lambda: Rate(burst=20, a_minute=20))

    def app(self) -> Starlette:
        paths = (f"{PATH}/{{source}}", f"{PATH}/{{source}}/{{token}}")
        return Starlette(routes=[Route(path, self._answer, methods=["POST"]) for path in paths])

    async def _answer(self, request: Request) -> Response:
        try:
            repositories = await self._take(request)
        except _RefusedError as refused:
            headers = {"Retry-After": AGAIN_SECONDS} if refused.status in {429, 503} else {}
            return JSONResponse({"error": refused.reason}, refused.status, headers)
        return JSONResponse({"checked": repositories}, 202)

    async def _take(self, request: Request) -> list[str]:
        name = request.path_params["source"]
        source, body = await self._proved(request, name)
        if not self.taken.take(name, self.clock()):
            raise _RefusedError(429, "too many notifications: send this one again in a minute")
        try:
            references = read_pushes(source.kind, body, source.registry)
        except InvalidInputError as error:
            raise _RefusedError(400, str(error)) from error
        pushes = {each.name: Push(name, each) for each in references}
        return await self._pass_on(pushes)

    async def _proved(self, request: Request, name: str) -> tuple[Source, bytes]:
        """The source and the body: what is proved without its body is proved before that is read."""
        client = request.client.host if request.client else ""
        if self.unproved.is_out(client, self.clock()):
            raise _RefusedError(429, "too many notifications that proved nothing: wait a minute")
        try:
            source = (await self.sources()).get(name, NOBODY)
        except UptainerError as error:
            logger.warning("the sources could not be read: %s", error)
            raise _RefusedError(503, "the sources could not be read: send it again") from error
        token = request.path_params.get("token", "")
        body = await _read(request) if source.signs else b""
        if not is_proved(source, request.headers, token, body):
            self.unproved.take(client, self.clock())
            raise _RefusedError(401, "there is no such source, or this does not prove to come from it")
        return source, body if source.signs else await _read(request)

    async def _pass_on(self, pushes: Mapping[str, Push]) -> list[str]:
        try:
            here = await self.running(list(pushes)) if pushes else frozenset()
            wanted = [push for name, push in pushes.items() if name in here]
            if wanted:
                await self.announce(wanted)
        except RateLimitedError as error:
            logger.warning("a push was not passed on: %s", error)
            raise _RefusedError(429, f"{error}: send this one again in a minute") from error
        except UptainerError as error:
            logger.warning("a push could not be passed on: %s", error)
            raise _RefusedError(503, "it could not be passed on: send it again") from error
        for push in wanted:
            logger.info("%s: %s was pushed", push.source, push.reference)
        return [push.repository for push in wanted]


async def _read(request: Request) -> bytes:
    """The whole body.

    Raises:
        _RefusedError: it is too long, or takes too long.
    """
    received = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                received += chunk
                if len(received) > MAX_BODY:
                    raise _RefusedError(413, f"the body is longer than {MAX_BODY} bytes")
    except TimeoutError as error:
        raise _RefusedError(408, "the body did not arrive in time") from error
    except ClientDisconnect as error:
        raise _RefusedError(400, "the body did not arrive") from error
    return bytes(received)
