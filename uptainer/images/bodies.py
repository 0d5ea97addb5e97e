"""An HTTP client that trusts no server: every body has a limit, also those that httpx reads by itself."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path

import httpx

from uptainer.core.errors import ProtocolError
from uptainer.images.access import Certificates
from uptainer.images.trust import DOCKER_CERTIFICATES, own_trust, registry_trusts, shared_trust

MAX_BODY = 4 * 1024 * 1024
"""Bytes: what the distribution specification lets a manifest have. Tag pages and configurations are smaller."""


_LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=50)
OnRequest = Callable[[httpx.Request], Awaitable[None]]


def open_http(
    timeout: httpx.Timeout,
    on_request: OnRequest,
    certificates: Path = DOCKER_CERTIFICATES,
    *,
    direct: bool = False,
) -> httpx.AsyncClient:
    """A client with bounded bodies, which follows no redirect by itself and honours the proxy of the environment.

    `direct`: past any proxy, for what this machine alone is told.

    Raises:
        InvalidInputError: one of the registries' own certificates is none.
    """
    own = {f"https://{registry}": trust for registry, trust in registry_trusts(certificates).items()}
    return _open(timeout, on_request, shared_trust(), own, direct=direct)


def open_certified(
    timeout: httpx.Timeout, on_request: OnRequest, certificates: Certificates, host: str
) -> httpx.AsyncClient:
    """As `open_http`, for one registry at `host`, with its certificates.

    Its authorities are believed for its token server and its store of content as well; our own certificate is for
    its own host only.

    Raises:
        InvalidInputError: one of the certificates is none.
    """
    shown = {f"https://{host}": own_trust(certificates, shown=True)} if certificates.certificate else {}
    return _open(timeout, on_request, own_trust(certificates, shown=False), shown)


def _open(
    timeout: httpx.Timeout,
    on_request: OnRequest,
    trust: ssl.SSLContext,
    own: Mapping[str, ssl.SSLContext],
    *,
    direct: bool = False,
) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        verify=trust,
        trust_env=not direct,
        mounts={place: httpx.AsyncHTTPTransport(verify=each, limits=_LIMITS) for place, each in own.items()},
        timeout=timeout,
        limits=_LIMITS,
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
