"""An HTTP client that trusts no server: every body has a limit, also those that httpx reads by itself."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx

from uptainer.core.errors import ProtocolError
from uptainer.images.trust import DOCKER_CERTIFICATES, registry_trusts, shared_trust

MAX_BODY = 4 * 1024 * 1024
"""Bytes: what the distribution specification lets a manifest have. Tag pages and configurations are smaller."""


def open_http(
    timeout: httpx.Timeout,
    on_request: Callable[[httpx.Request], Awaitable[None]],
    certificates: Path = DOCKER_CERTIFICATES,
) -> httpx.AsyncClient:
    """A client with bounded bodies, which follows no redirect by itself and honours the proxy of the environment.

    Raises:
        InvalidInputError: one of the registries' own certificates is none.
    """
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=50)
    own = {
        f"https://{registry}": httpx.AsyncHTTPTransport(verify=trust, limits=limits)
        for registry, trust in registry_trusts(certificates).items()
    }
    return httpx.AsyncClient(
        verify=shared_trust(),
        mounts=own,
        timeout=timeout,
        limits=limits,
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
