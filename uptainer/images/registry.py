"""The registry client: what a tag stands for, which tags there are, and what an image says of itself.

Source: https://github.com/opencontainers/distribution-spec, version 1.1.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Self

import httpx

from uptainer.core.errors import AccessDeniedError, ProtocolError
from uptainer.core.reference import DOCKER_HUB, Reference
from uptainer.images.answers import raise_for_status
from uptainer.images.credentials import Keychain
from uptainer.images.endpoints import read_address, same_origin
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
from uptainer.images.metering import Meter
from uptainer.images.sending import Sender


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
    `insecure` names the registries (`host:port`) that may be asked in plain HTTP, as nobody, where they speak no TLS.
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
        self._keychain = keychain
        self._limits = limits or Limits()
        timeout = httpx.Timeout(self._limits.read, connect=self._limits.connect, pool=None)
        self._sender = Sender(
            keychain, timeout, self._limits.call, insecure=insecure, on_request=self._count, meter=meter
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._sender.aclose()

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

    async def pages(
        self, reference: Reference, path: str, what: str, *, query: str = "", accept: str = "*/*"
    ) -> AsyncIterator[bytes]:
        """A list that stands below a repository at `path`, in as many pages as the registry makes of it."""
        where = f"/v2/{reference.repository}/{path}"
        seen: set[str] = set()
        while query not in seen and len(seen) < self._limits.pages:
            seen.add(query)
            address = f"{where}?{query}" if query else where
            response = await self._send("GET", reference, address, {"Accept": accept})
            await self._require_success(response, reference, what)
            yield response.content
            following = response.links.get("next", {}).get("url")
            if not following:
                return
            query = _next_page(response.url, following, what).query.decode("ascii")
        raise ProtocolError(f"{what} do not end: {len(seen)} pages were read, and there was always one more")

    async def tags(self, reference: Reference) -> tuple[str, ...]:
        """All tags of a repository."""
        what = f"the tags of {reference.name}"
        pages = self.pages(reference, "tags/list", what, query=f"n={self._limits.page_size}")
        return tuple(dict.fromkeys([tag async for page in pages for tag in read_tag_page(page, what)]))

    async def require_own_token_server(self, registry: str) -> None:
        """For who gives the login to a program that takes it wherever the registry says.

        Raises:
            RefusedError, ProtocolError: the registry names a host that its login must not be taken to, or its login
                could be read on the way to itself.
            UnreachableError: it did not answer.
        """
        await self._sender.require_own_token_server(registry)

    async def _send(
        self, method: str, reference: Reference, path: str, headers: Mapping[str, str]
    ) -> httpx.Response:
        return await self._sender.send(method, reference.registry, reference.repository, path, headers)

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
    there = read_address(following, f"where {what} are said to go on", here)
    if not same_origin(here, there) or there.path != here.path:
        raise ProtocolError(f"{what} are said to go on elsewhere: refused")
    return there
