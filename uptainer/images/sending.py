"""One request to a registry, or to the mirrors that are asked before it, with what each of them wants for an answer."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpx

from uptainer.core.errors import ProtocolError, RateLimitedError, UnreachableError, UptainerError
from uptainer.images.answers import raise_for_status
from uptainer.images.authorization import RegistryAuth, Tokens, safe_realm
from uptainer.images.bodies import OnRequest, open_certified, open_http
from uptainer.images.challenges import read_challenges
from uptainer.images.credentials import Keychain
from uptainer.images.endpoints import (
    Endpoint,
    read_address,
    require_safe_target,
    require_unheard,
    same_origin,
)
from uptainer.images.metering import Meter, cost_of

MAX_REDIRECTS = 3
_NOT_BELIEVED = "CERTIFICATE_VERIFY_FAILED"
_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE")
"""What OpenSSL says of an answer that is no TLS, before 3.2 and since."""


class Sender:
    """Sends for one run; used by the registry client. `patience` (seconds) bounds a whole call; `meter` may say no.

    A registry with certificates of its own has an HTTP client of its own, so that they are believed for it alone. One of
    those that are `insecure` is asked by TLS all the same, where it speaks it, and else in plain HTTP, as nobody.
    """

    def __init__(
        self,
        keychain: Keychain,
        timeout: httpx.Timeout,
        patience: float,
        *,
        insecure: frozenset[str],
        on_request: OnRequest,
        meter: Meter | None = None,
    ) -> None:
        self._keychain = keychain
        self._timeout = timeout
        self._patience = patience
        self._insecure = insecure
        self._on_request = on_request
        self._meter = meter
        self._tokens = Tokens()
        self._endpoints: dict[str, Endpoint] = {}
        self._turns: dict[str, asyncio.Lock] = {}
        self._silent: set[str] = set()
        self._http = open_http(timeout, on_request)
        self._certified: dict[str, httpx.AsyncClient] = {}

    async def aclose(self) -> None:
        for client in (self._http, *self._certified.values()):
            await client.aclose()
        if self._meter:
            await self._meter.aclose()

    async def send(
        self, method: str, registry: str, repository: str, path: str, headers: Mapping[str, str]
    ) -> httpx.Response:
        """Ask for `path`, which is the registry's own. A mirror that has no good answer leaves it to the next.

        Raises:
            UnreachableError, ProtocolError, RefusedError, AccessDeniedError, TemporaryError: the last one that was
                asked gave no answer; an answer that is no success is given back as it is.
        """
        access = self._keychain.access(registry)
        mirrors = access.mirrors_for(path)
        places = [(mirror.registry, mirror.path(repository)) for mirror in mirrors]
        if not (access.mirrors_only and places):
            places.append((registry, repository))
        for place, name in places[:-1]:
            answer = await self._try(method, place, name, _moved(path, repository, name), headers)
            if answer is not None:
                return answer
        place, name = places[-1]
        return await self._ask(method, place, name, _moved(path, repository, name), headers)

    async def require_own_token_server(self, registry: str) -> None:
        """Ask a registry as nobody where it sends who logs in.

        Raises:
            RefusedError, ProtocolError: to a host that its login must not be taken to, or where it could be read.
            TemporaryError: it did not answer, or answered with something else, which does not say where.
        """
        endpoint = await self._endpoint(registry)
        require_unheard(endpoint)
        async with self._reaching(endpoint):
            answer = await self._follow("GET", endpoint, "/v2/", {}, None)
        if answer.status_code not in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
            raise_for_status(answer, registry)
        for challenge in read_challenges(answer.headers.get_list("WWW-Authenticate")):
            if challenge.scheme == "bearer":
                await safe_realm(challenge, endpoint, secret=True)

    async def _try(
        self, method: str, registry: str, repository: str, path: str, headers: Mapping[str, str]
    ) -> httpx.Response | None:
        """None where a mirror failed or has no such thing; one that did not answer is not asked again in this run."""
        if registry in self._silent:
            return None
        try:
            answer = await self._ask(method, registry, repository, path, headers)
        except UnreachableError:
            self._silent.add(registry)
            return None
        except UptainerError:
            return None
        good = answer.is_success or answer.status_code == httpx.codes.NOT_MODIFIED
        return answer if good else None

    async def _ask(
        self, method: str, registry: str, repository: str, path: str, headers: Mapping[str, str]
    ) -> httpx.Response:
        endpoint = await self._endpoint(registry)
        auth = RegistryAuth(endpoint, f"repository:{repository}:pull", self._keychain, self._tokens)
        if self._meter:
            await self._meter.admit(endpoint.registry, cost_of(method, path))
        try:
            async with self._reaching(endpoint):
                return await self._follow(method, endpoint, path, headers, auth)
        except RateLimitedError as error:  # its token server's: what itself answers is judged by who asked
            if self._meter:
                await self._meter.hold(endpoint.registry, error)
            raise

    async def _endpoint(self, registry: str) -> Endpoint:
        """Where a registry is asked, which is found out once in a run."""
        async with self._turns.setdefault(registry, asyncio.Lock()):
            if registry not in self._endpoints:
                self._endpoints[registry] = await self._find(registry)
        return self._endpoints[registry]

    async def _find(self, registry: str) -> Endpoint:
        access = self._keychain.access(registry)
        certified = access.certificates is not None
        endpoint = Endpoint.of(registry, plain=access.plain, certified=certified, allowed=access.allowed)
        if certified or not endpoint.is_encrypted or registry not in self._insecure:
            return endpoint
        return endpoint if await self._speaks_tls(endpoint) else endpoint.in_clear()

    async def _speaks_tls(self, endpoint: Endpoint) -> bool:
        """Ask as nobody, with no more of the answer than that it begins. A certificate that is not believed is TLS too."""
        try:
            async with self._client(endpoint).stream("GET", endpoint.url.join("/v2/")):
                return True
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
            return _NOT_BELIEVED in str(error)
        except (httpx.TransportError, ssl.SSLError):
            return True  # the request itself will say what is wrong

    @asynccontextmanager
    async def _reaching(self, endpoint: Endpoint) -> AsyncIterator[None]:
        """What goes wrong between us and a registry, as our errors."""
        try:
            async with asyncio.timeout(self._patience):
                yield
        except (TimeoutError, httpx.TimeoutException) as error:
            raise UnreachableError(f"{endpoint.registry} did not answer in time") from error
        except (httpx.InvalidURL, UnicodeError) as error:
            raise ProtocolError(f"{endpoint.registry} sent us to something that is no address") from error
        except httpx.TransportError as error:
            raise _unreachable(endpoint, error) from error
        except ssl.SSLError as error:  # TLS 1.3: the other side judges our certificate after the handshake
            raise UnreachableError(
                f"{endpoint.registry} breaks off ({error.reason}): if it wants to know who asks, put a client "
                "certificate and its key into a Registry block for it"
            ) from error

    async def _follow(
        self,
        method: str,
        endpoint: Endpoint,
        path: str,
        headers: Mapping[str, str],
        auth: RegistryAuth | None,
    ) -> httpx.Response:
        """Send, and go where the registry says a blob is stored; its credentials stay with the registry."""
        http = self._client(endpoint)
        url = endpoint.url.join(path)
        for _ in range(MAX_REDIRECTS + 1):
            request = http.build_request(method, url, headers=headers)
            response = await http.send(request, auth=auth if same_origin(endpoint.url, url) else None)
            if self._meter and same_origin(endpoint.url, url):
                await self._meter.observe(endpoint.registry, response)
            if not response.has_redirect_location:
                return response
            place = f"what {endpoint.registry} names as the place of its content"
            url = read_address(response.headers["Location"], place, url)
            await require_safe_target(endpoint.url, url, "the place of its content", endpoint.allowed)
        raise ProtocolError(f"{endpoint.registry} redirects more than {MAX_REDIRECTS} times")

    def _client(self, endpoint: Endpoint) -> httpx.AsyncClient:
        certificates = self._keychain.access(endpoint.registry).certificates
        if certificates is None:
            return self._http
        if endpoint.registry not in self._certified:
            self._certified[endpoint.registry] = open_certified(
                self._timeout, self._on_request, certificates, endpoint.url.host
            )
        return self._certified[endpoint.registry]


def _moved(path: str, repository: str, name: str) -> str:
    """A path of the registry's API as a mirror has it, whose repository is called otherwise."""
    return path.replace(f"/v2/{repository}/", f"/v2/{name}/", 1)


def _unreachable(endpoint: Endpoint, error: httpx.TransportError) -> UnreachableError:
    said = str(error) or type(error).__name__
    if any(word in said for word in _NO_TLS):
        return UnreachableError(
            f"{endpoint.registry} speaks no TLS ({said}): give it a certificate, or tick Plain HTTP in a Registry block for "
            "this registry, where nobody on the way can listen"
        )
    if _NOT_BELIEVED not in said:
        return UnreachableError(f"{endpoint.registry} cannot be reached: {said}")
    return UnreachableError(
        f"{endpoint.registry} shows a certificate that is not believed here ({said}): put its CA into a Registry block "
        f"for it, or into /etc/docker/certs.d/{endpoint.registry}/ca.crt on this machine"
    )
