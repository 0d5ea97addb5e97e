"""What is known of an image, and of a newer one: values that every part speaks in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from uptainer.core.enums import ChangeLevel
from uptainer.core.platform import Platform
from uptainer.core.reference import Reference


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """An image as an engine holds it. `repo_digests` are `name@sha256:...`; empty for one built on the spot."""

    image_id: str
    repo_tags: tuple[str, ...]
    repo_digests: tuple[str, ...]
    labels: Mapping[str, str]
    platform: Platform
    created_at: datetime | None
    size: int
    has_healthcheck: bool = False


@dataclass(frozen=True, slots=True)
class Candidate:
    """A newer image for a container: a tag, and the digest that it stood for when looked up.

    `digest` is what the registry answers for the tag (of the index, where there is one), and what is pulled,
    scanned, approved and deployed. `published_at` is when the image says it was created, where that was asked.
    """

    reference: Reference
    digest: str
    level: ChangeLevel
    version: str | None = None
    published_at: datetime | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def pinned(self) -> Reference:
        return self.reference.with_digest(self.digest)
