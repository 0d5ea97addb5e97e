"""One repository's content as it is, for who reads what refers to an image: its signatures."""

from collections.abc import Sequence
from dataclasses import dataclass

from uptainer.core.errors import NotFoundError, ProtocolError, UnsupportedError
from uptainer.core.platform import Platform
from uptainer.core.reference import Reference
from uptainer.images.bodies import MAX_BODY
from uptainer.images.choosing import is_sole
from uptainer.images.manifests import Index, read_manifest, require_digest, verify_digest
from uptainer.images.registry import RegistryClient

_INDEX = "application/vnd.oci.image.index.v1+json, */*;q=0.1"


@dataclass(frozen=True, slots=True)
class Repository:
    """The repository that `reference` is in. Its methods raise as the client's."""

    client: RegistryClient
    reference: Reference

    async def manifest(self, name: str) -> bytes:
        """By tag or digest; of a digest, its content is verified."""
        body = await self.client.content(self.reference, f"manifests/{name}")
        if ":" in name:
            verify_digest(body, name, f"{self.reference.name}@{name}")
        return body

    async def blob(self, digest: str) -> bytes:
        what = f"{self.reference.name}@{digest}"
        body = await self.client.content(self.reference, f"blobs/{require_digest(digest, what)}")
        verify_digest(body, digest, what)
        return body

    async def referrers(self, digest: str) -> list[bytes]:
        """The pages of what refers to a digest, together no longer than one answer may be.

        Raises:
            NotFoundError: the registry does not keep account of that.
            ProtocolError: the list breaks off, does not end or is longer.
        """
        what = f"the referrers of {self.reference.name}@{digest}"
        pages: list[bytes] = []
        try:
            async for page in self.client.pages(self.reference, f"referrers/{digest}", what, accept=_INDEX):
                pages.append(page)
                _require_short(pages)
        except (NotFoundError, ProtocolError) as error:
            if pages:
                raise ProtocolError(f"{what} break off: {error}") from error
            raise NotFoundError(f"{self.reference.registry} has no list of referrers: {error}") from error
        return pages

    async def manifests_of(self, digest: str, platform: Platform | None) -> dict[str, bytes]:
        """What will run, by digest: the digest that is pulled, and the platform's own manifest where that is an index.

        The digest that is pulled alone without a platform, or where engines might choose from it differently.

        Raises:
            NotFoundError: there is nothing for this platform.
        """
        body = await self.manifest(digest)
        inner = self._chosen(body, digest, platform) if platform else None
        if inner is None or inner == digest:
            return {digest: body}
        return {digest: body, inner: await self.manifest(inner)}

    async def manifest_that_runs(self, digest: str, platform: Platform) -> str:
        """The digest of the manifest that each engine of this platform runs, when it is told to run `digest`.

        Raises:
            NotFoundError: there is nothing for this platform.
            UnsupportedError: engines might choose from it differently.
        """
        chosen = self._chosen(await self.manifest(digest), digest, platform)
        if chosen is None:
            raise UnsupportedError(
                f"{self.reference.name}@{digest} has several images that an engine may take for {platform}, so that "
                "which of them would run is not known"
            )
        return chosen

    def _chosen(self, body: bytes, digest: str, platform: Platform) -> str | None:
        """None where engines might choose differently."""
        what = f"{self.reference.name}@{digest}"
        found = read_manifest(body, digest, what)
        if not isinstance(found, Index):
            return digest
        inner = found.digest_for(platform)
        if inner is None:
            raise NotFoundError(f"{what} has nothing for {platform}")
        return inner if is_sole(body, inner, platform) else None


def _require_short(pages: Sequence[bytes]) -> None:
    if sum(map(len, pages)) > MAX_BODY:
        raise ProtocolError(f"they are more than {MAX_BODY} bytes: refused")
