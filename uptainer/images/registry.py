"""The registry client: what a tag stands for, which tags there are, and what an image says of itself.

Source: https://github.com/opencontainers/distribution-spec, version 1.1.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import httpx

from uptainer.core.errors import AccessDeniedError, ProtocolError, UnreachableError
from uptainer.core.reference import DOCKER_HUB, Reference
from uptainer.images.answers import raise_for_status
from uptainer.images.authorization import RegistryAuth, Tokens
from uptainer.images.bodies import open_http
from uptainer.images.credentials import Keychain
from uptainer.images.endpoints import Endpoint, require_safe_target, same_origin
from uptainer.images.manifests import (
    ACCEPT,
    ImageConfig,
    Index,
    Manifest,
    digest_of,
    read_config,
    read_manifest,
    read_tag_page,
    require_digest,
    verify_digest,
)
from uptainer.images.metering import Meter, cost_of

MAX_REDIRECTS = 3


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds, and counts. `call` bounds a whole call with its token and its redirects, however slowly it drips."""

    connect: float = 10.0
    read: float = 20.0
    call: float = 60.0
    page_size: int = 1000
    pages: int = 200


@dataclass(frozen=True, slots=True)
class Head:
    """What a tag stood for, and the entity tag by which the registry can be asked whether it still does."""

    digest: str
    etag: str | None = None


class RegistryClient:
    """Asks registries; used as `async with RegistryClient(keychain) as client`.

    Each method raises AccessDeniedError, NotFoundError, RateLimitedError, UnreachableError or TemporaryError for
    what a registry answers, and ProtocolError for an answer that cannot be right. `requests` counts what went out.
    `insecure` names the registries (`host:port`) that are asked in plain HTTP although they are not on loopback.
    `meter` is asked before each request, and says no where the registry's budget does.
    """

    def __init__(
        self,
        keychain: Keychain,
        *,
        limits: Limits | None = None,
        insecure: frozenset[str] = frozenset(),
        meter: Meter | None = None,
    ) -> None:
        self.requests = 0
        self._meter = meter
        self._keychain = keychain
        self._limits = limits or Limits()
        self._insecure = insecure
        self._tokens = Tokens()
        self._endpoints: dict[str, Endpoint] = {}
        timeout = httpx.Timeout(self._limits.read, connect=self._limits.connect, pool=None)
        self._http = open_http(timeout, self._count)

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()
        if self._meter:
            await self._meter.aclose()

    async def _count(self, _request: httpx.Request) -> None:
        self.requests += 1

    async def head(self, reference: Reference, known: Head | None = None) -> Head:
        """The digest that a tag stands for now, with one HEAD; `known` is what it stood for when last asked.

        A registry that does not say the digest is asked for the manifest, and the digest is computed from it.
        """
        condition = {"If-None-Match": known.etag or f'"{known.digest}"'} if known else {}
        response = await self._send(
            "HEAD", reference, _manifest_path(reference), {"Accept": ACCEPT} | condition
        )
        if known and response.status_code == httpx.codes.NOT_MODIFIED:
            return known
        await self._require_success(response, reference, str(reference))
        digest = response.headers.get("Docker-Content-Digest")
        if digest is None:
            return Head((await self.manifest(reference)).digest, response.headers.get("ETag"))
        return Head(_expect(reference, require_digest(digest, str(reference))), response.headers.get("ETag"))

    async def manifest(self, reference: Reference) -> Index | Manifest:
        """The manifest or index of a tag or digest; what its digest says is verified."""
        response = await self._send("GET", reference, _manifest_path(reference), {"Accept": ACCEPT})
        await self._require_success(response, reference, str(reference))
        what = str(reference)
        digest = (
            reference.digest or response.headers.get("Docker-Content-Digest") or digest_of(response.content)
        )
        verify_digest(response.content, require_digest(digest, what), what)
        return read_manifest(response.content, digest, what)

    async def config(self, reference: Reference, digest: str) -> ImageConfig:
        """The configuration of an image in this repository, by its own digest."""
        what = f"the configuration {digest} of {reference.name}"
        response = await self._send("GET", reference, f"/v2/{reference.repository}/blobs/{digest}", {})
        await self._require_success(response, reference, what)
        verify_digest(response.content, digest, what)
        return read_config(response.content, what)

    async def content(self, reference: Reference, path: str) -> bytes:
        """What stands below a repository at `path` (`manifests/...`, `blobs/...`), as it is."""
        where = f"/v2/{reference.repository}/{path}"
        response = await self._send("GET", reference, where, {"Accept": f"{ACCEPT}, */*;q=0.1"})
        await self._require_success(response, reference, f"{reference.name} at {path}")
        return response.content

    async def tags(self, reference: Reference) -> tuple[str, ...]:
        """All tags of a repository, over as many pages as the registry makes of them."""
        what = f"the tags of {reference.name}"
        base = self._endpoint(reference).url
        path = f"/v2/{reference.repository}/tags/list"
        here = base.join(f"{path}?n={self._limits.page_size}")
        seen: dict[httpx.URL, tuple[str, ...]] = {}
        while here not in seen and len(seen) < self._limits.pages:
            response = await self._send("GET", reference, here.raw_path.decode("ascii"), {})
            await self._require_success(response, reference, what)
            seen[here] = read_tag_page(response.content, what)
            following = response.links.get("next", {}).get("url")
            if not following:
                return tuple(dict.fromkeys(tag for page in seen.values() for tag in page))
            here = _next_page(here, following, what)
        raise ProtocolError(f"{what} do not end: {len(seen)} pages were read, and there was always one more")

    def _endpoint(self, reference: Reference) -> Endpoint:
        name = reference.registry
        if name not in self._endpoints:
            self._endpoints[name] = Endpoint.of(name, self._insecure)
        return self._endpoints[name]

    async def _send(
        self, method: str, reference: Reference, path: str, headers: Mapping[str, str]
    ) -> httpx.Response:
        endpoint = self._endpoint(reference)
        scope = f"repository:{reference.repository}:pull"
        auth = RegistryAuth(endpoint, scope, self._keychain, self._tokens)
        if self._meter:
            await self._meter.admit(endpoint.registry, cost_of(method, path))
        try:
            async with asyncio.timeout(self._limits.call):
                return await self._follow(method, endpoint, path, headers, auth)
        except (TimeoutError, httpx.TimeoutException) as error:
            raise UnreachableError(f"{endpoint.registry} did not answer in time") from error
        except httpx.InvalidURL as error:
            raise ProtocolError(f"{endpoint.registry} sent us to something that is no address") from error
        except httpx.TransportError as error:
            raise UnreachableError(
                f"{endpoint.registry} cannot be reached: {error or type(error).__name__}"
            ) from error

    async def _follow(
        self, method: str, endpoint: Endpoint, path: str, headers: Mapping[str, str], auth: RegistryAuth
    ) -> httpx.Response:
        """Send, and go where the registry says a blob is stored; its credentials stay with the registry."""
        url = endpoint.url.join(path)
        for _ in range(MAX_REDIRECTS + 1):
            request = self._http.build_request(method, url, headers=headers)
            response = await self._http.send(request, auth=auth if same_origin(endpoint.url, url) else None)
            if self._meter and same_origin(endpoint.url, url):
                await self._meter.observe(endpoint.registry, response)
            if not response.has_redirect_location:
                return response
            url = url.join(response.headers["Location"])
            await require_safe_target(endpoint.url, url, "the place of its content")
        raise ProtocolError(f"{endpoint.registry} redirects more than {MAX_REDIRECTS} times")

    async def _require_success(self, response: httpx.Response, reference: Reference, what: str) -> None:
        if response.status_code != httpx.codes.UNAUTHORIZED:
            raise_for_status(response, what)
            return
        held = await self._keychain.find(reference.registry)
        registry = "Docker Hub" if reference.registry == DOCKER_HUB else reference.registry
        asker = f"to {held.username or 'the credentials we have'}" if held else "without credentials"
        raise AccessDeniedError(
            f"{registry} does not show {reference.familiar} {asker}: there is no such repository, or it is private"
        )


def _manifest_path(reference: Reference) -> str:
    return f"/v2/{reference.repository}/manifests/{reference.digest or reference.tag}"


def _expect(reference: Reference, digest: str) -> str:
    if reference.digest and reference.digest != digest:
        raise ProtocolError(f"{reference.registry} gave {digest} for {reference}")
    return digest


def _next_page(here: httpx.URL, following: str, what: str) -> httpx.URL:
    try:
        there = here.join(following)
    except httpx.InvalidURL as error:
        raise ProtocolError(f"{what} are said to go on at something that is no address") from error
    if not same_origin(here, there) or there.path != here.path:
        raise ProtocolError(f"{what} are said to go on elsewhere: refused")
    return there
