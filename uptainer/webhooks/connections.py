"""Connections of strangers: each carries one notification, and none of them lasts."""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 10.0
"""How long who has connected may take to say what they want."""
WHOLE_SECONDS = 45.0
"""More than any answer takes: the head, the body, the sources, the database and the server that is told."""
CLOSING = ("Connection", "close")
"""The header of each answer: a notification is rare, and a connection that stays open is somebody's place."""


class BriefConnection(H11Protocol):
    """One that is cut off when it takes too long, whatever it sends meanwhile: uvicorn waits without end for a head.

    Its head is bounded as well, by h11 (64 KiB).
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._ends: tuple[asyncio.TimerHandle, ...] = ()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # -- as uvicorn's own
        super().connection_made(transport)
        self._ends = (
            self.loop.call_later(HEAD_SECONDS, self._end_without_request),
            self.loop.call_later(WHOLE_SECONDS, transport.abort),
        )

    def connection_lost(self, exc: Exception | None) -> None:
        for end in self._ends:
            end.cancel()
        super().connection_lost(exc)

    def _end_without_request(self) -> None:
        if not self.cycle:
            self.transport.abort()
