"""An HTTP client that trusts no server: every body has a limit, also those that httpx reads by itself."""

from collections.abc import AsyncIterator, Awaitable, Callable

import httpx

from uptainer.core.errors import ProtocolError

MAX_BODY = 4 * 1024 * 1024
"""Bytes: what the distribution specification lets a manifest have. Tag pages and configurations are smaller."""


def open_http(
    timeout: httpx.Timeout, on_request: Callable[[httpx.Request], Awaitable[None]]
) -> httpx.AsyncClient:
    """A client with bounded bodies, which follows no redirect by itself and honours the proxy of the environment."""
    return httpx.AsyncClient(
        timeout=timeout,
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=50),
        headers={"User-Agent": "uptainer", "Accept-Encoding": "identity"},
        follow_redirects=False,
        event_hooks={"request": [on_request], "response": [_bound]},
    )


async def _bound(response: httpx.Response) -> None:
    host = response.request.url.host
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise ProtocolError(f"{host} answered with a compressed body, which was not asked for")
    assert isinstance(response.stream, httpx.AsyncByteStream)
    response.stream = _BoundedStream(response.stream, host)


class _BoundedStream(httpx.AsyncByteStream):
    def __init__(self, inner: httpx.AsyncByteStream, host: str) -> None:
        self._inner = inner
        self._host = host

    async def __aiter__(self) -> AsyncIterator[bytes]:
        received = 0
        async for chunk in self._inner:
            received += len(chunk)
            if received > MAX_BODY:
                raise ProtocolError(f"{self._host} answered with more than {MAX_BODY} bytes: refused")
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()
