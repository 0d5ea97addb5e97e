"""One request to a host with release notes: never to another server, never to a private address that nobody named,
never more bytes than are wanted.
"""

import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parsedate_to_datetime
from ipaddress import IPv4Address, IPv6Address, ip_address

import anyio
import httpx

from uptainer.core.errors import (
    AccessDeniedError,
    InvalidInputError,
    NotFoundError,
    PermanentError,
    ProtocolError,
    RateLimitedError,
    RefusedError,
    UnreachableError,
)

Address = IPv4Address | IPv6Address
Resolve = Callable[[str], Awaitable[list[Address]]]
_MAX_REDIRECTS = 3
_DEFAULT_WAIT = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: httpx.Headers
    body: bytes


@dataclass(frozen=True, slots=True)
class Fetcher:
    """`timeout` is for the whole of one request: who sends a byte now and then is left, too.

    `guarded` is for hosts that only a label named: they are reached at the public address that was looked up and
    checked, so that a second look-up cannot lead elsewhere.
    """

    timeout: timedelta
    max_bytes: int
    guarded: bool = False
    resolve: Resolve | None = None

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            timeout=self.timeout.total_seconds(), follow_redirects=False, trust_env=not self.guarded
        )

    async def get(self, client: httpx.AsyncClient, url: str, headers: Mapping[str, str]) -> Answer:
        """Follows a renamed project, on the same server only.

        Raises:
            InvalidInputError: it leads to another server.
            RefusedError: it is guarded, and has an address that is not public.
            UnreachableError, ProtocolError.
        """
        try:
            return await self._follow(client, url, headers)
        except (httpx.InvalidURL, UnicodeError) as error:
            raise ProtocolError(
                f"the address of the release notes is none, or leads to none: {error!r}"
            ) from error

    async def _follow(self, client: httpx.AsyncClient, url: str, headers: Mapping[str, str]) -> Answer:
        origin = _origin(url)
        for _ in range(_MAX_REDIRECTS + 1):
            answer = await self._once(client, url, headers)
            if answer.status not in {301, 302, 303, 307, 308} or "Location" not in answer.headers:
                return answer
            url = str(httpx.URL(url).join(answer.headers["Location"]))
            if _origin(url) != origin:
                raise InvalidInputError(
                    f"{httpx.URL(origin).host} leads away to {_origin(url)}, which is not followed"
                )
        raise ProtocolError(f"{httpx.URL(origin).host} leads in circles")

    async def _once(self, client: httpx.AsyncClient, url: str, headers: Mapping[str, str]) -> Answer:
        host = httpx.URL(url).host
        try:
            with anyio.fail_after(self.timeout.total_seconds()):
                return await self._read(client, await self.request(client, url, headers), host)
        except TimeoutError as error:
            raise UnreachableError(
                f"{host} was not done within {self.timeout.total_seconds():.0f} seconds"
            ) from error
        except httpx.TransportError as error:
            raise UnreachableError(f"{host} cannot be read now: {error!r}") from error
        except httpx.DecodingError as error:
            raise ProtocolError(f"{host} answers in no readable form: {error}") from error

    async def _read(self, client: httpx.AsyncClient, request: httpx.Request, host: str) -> Answer:
        response = await client.send(request, stream=True)
        try:
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > self.max_bytes:
                    raise ProtocolError(f"{host} answers more than the {self.max_bytes} bytes that are read")
            return Answer(response.status_code, response.headers, bytes(body))
        finally:
            await response.aclose()

    async def request(self, client: httpx.AsyncClient, url: str, headers: Mapping[str, str]) -> httpx.Request:
        """To a guarded host, to one of its addresses, with its name in the header and in the TLS handshake."""
        target = httpx.URL(url)
        if not self.guarded:
            return client.build_request("GET", target, headers=headers)
        found = await (self.resolve or _look_up)(target.host)
        if not found or not all(is_public(each) for each in found):
            raise RefusedError(
                f"{target.host} is not a public address: a `Release notes host` block of its own would allow it"
            )
        return client.build_request(
            "GET",
            target.copy_with(host=str(found[0])),
            headers={**headers, "Host": target.host},
            extensions={"sni_hostname": target.host},
        )


async def _look_up(host: str) -> list[Address]:
    try:
        found = await anyio.getaddrinfo(host, 443, type=socket.SOCK_STREAM)
    except OSError as error:
        raise UnreachableError(f"{host} has no address: {error}") from error
    return [ip_address(str(address[0]).partition("%")[0]) for *_, address in found]


def is_public(address: Address) -> bool:
    """An address on the internet, and none that carries another one inside."""
    if isinstance(address, IPv6Address) and (address.ipv4_mapped or address.sixtofour or address.teredo):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def check_answer(answer: Answer, host: str, project: str) -> None:
    """Raises what the status means: AccessDenied, NotFound, RateLimited, Unreachable, PermanentError."""
    status, wait = answer.status, wait_of(answer.headers)
    if status == httpx.codes.TOO_MANY_REQUESTS or (status == httpx.codes.FORBIDDEN and wait is not None):
        raise RateLimitedError(
            f"{host} allows no more requests for now; a token raises the limit", retry_after=wait
        )
    if status in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
        raise AccessDeniedError(f"{host} does not show {project} to us ({status})")
    if status == httpx.codes.NOT_FOUND:
        raise NotFoundError(f"{project} does not exist, or is not public")
    if httpx.codes.is_server_error(status):
        raise UnreachableError(f"{host} has a fault ({status})", retry_after=wait)
    if not httpx.codes.is_success(status):
        raise PermanentError(f"{host} answered {status} for the releases of {project}")


def wait_of(headers: httpx.Headers) -> timedelta | None:
    """Retry-After in seconds; or, where a limit is used up, the time to its reset on the server's own clock.

    GitHub writes `X-RateLimit-...`, GitLab `RateLimit-...`; the reset is in seconds since 1970.
    """
    if _is_number(headers.get("Retry-After", "")):
        return timedelta(seconds=int(headers["Retry-After"][:6]))
    for prefix in ("X-RateLimit", "RateLimit"):
        reset = headers.get(f"{prefix}-Reset", "")
        if headers.get(f"{prefix}-Remaining") == "0" and _is_number(reset):
            return _until(int(reset[:12]), headers.get("Date", ""))
    return None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _until(reset: int, date: str) -> timedelta:
    """From the answer's own date, so that a wrong clock here does not matter."""
    try:
        answered = parsedate_to_datetime(date)
        return max(timedelta(seconds=reset - answered.timestamp()), timedelta(seconds=1))
    except (ValueError, OverflowError):
        return _DEFAULT_WAIT


def _origin(url: str) -> str:
    parts = httpx.URL(url)
    return f"{parts.scheme}://{parts.netloc.decode('ascii', 'replace')}"
