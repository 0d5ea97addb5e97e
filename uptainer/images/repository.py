"""One repository's content as it is, for who reads what refers to an image: its signatures."""

from dataclasses import dataclass

from uptainer.core.errors import NotFoundError, ProtocolError
from uptainer.core.platform import Platform
from uptainer.core.reference import Reference
from uptainer.images.choosing import is_sole
from uptainer.images.manifests import Index, read_manifest, require_digest, verify_digest
from uptainer.images.registry import RegistryClient


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

    async def referrers(self, digest: str) -> bytes:
        """What refers to a digest; NotFoundError where the registry does not keep account of that."""
        try:
            return await self.client.content(self.reference, f"referrers/{digest}")
        except ProtocolError as error:
            raise NotFoundError(f"{self.reference.registry} has no list of referrers: {error}") from error

    async def manifests_of(self, digest: str, platform: Platform | None) -> dict[str, bytes]:
        """What will run, by digest: the digest that is pulled, and the platform's own manifest where that is an index.

        The digest that is pulled alone without a platform, or where engines might choose from it differently.

        Raises:
            NotFoundError: there is nothing for this platform.
        """
        body = await self.manifest(digest)
        found = read_manifest(body, digest, f"{self.reference.name}@{digest}")
        if platform is None or not isinstance(found, Index):
            return {digest: body}
        inner = found.digest_for(platform)
        if inner is None:
            raise NotFoundError(f"{self.reference.name}@{digest} has nothing for {platform}")
        if not is_sole(body, inner, platform):
            return {digest: body}
        return {digest: body, inner: await self.manifest(inner)}
