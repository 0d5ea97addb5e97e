"""Manifests, indexes and image configurations, read from the bytes whose digest was verified. Pure.

Source: the OCI image specification 1.1, and Docker's image manifest version 2, schema 2.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from uptainer.core.errors import ProtocolError, UnsupportedError
from uptainer.core.platform import Platform

ACCEPT = (
    "application/vnd.oci.image.index.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.v2+json"
)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_IMAGE_CONFIGS = frozenset(
    {"application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"}
)
_ATTESTATION = "vnd.docker.reference.type"
_FRACTION = re.compile(r"(\.[0-9]{6})[0-9]+")


def suits(image: Platform, platform: Platform) -> bool:
    """Whether an image for one platform runs on another: the same, or an older variant of its architecture."""
    same = (image.os, image.architecture) == (platform.os, platform.architecture)
    return same and image.variant <= platform.variant


@dataclass(frozen=True, slots=True)
class Index:
    """One image for several platforms: for each, the digest of its manifest."""

    digest: str
    images: tuple[tuple[Platform, str], ...]

    def digest_for(self, platform: Platform) -> str | None:
        """The manifest for a platform: the exact one, else the newest older variant of the architecture."""
        fitting = [(image.variant, digest) for image, digest in self.images if suits(image, platform)]
        return max(fitting, key=lambda found: found[0])[1] if fitting else None


@dataclass(frozen=True, slots=True)
class Manifest:
    """One image for one platform. Its configuration's digest is the image id of the classic engine."""

    digest: str
    config_digest: str


@dataclass(frozen=True, slots=True)
class ImageConfig:
    platform: Platform
    created_at: datetime | None
    labels: Mapping[str, str]


def require_digest(text: str, what: str) -> str:
    if not _DIGEST.fullmatch(text):
        raise ProtocolError(f"{what} gave {text[:80]!r} as a digest")
    return text


def verify_digest(body: bytes, expected: str, what: str) -> None:
    """Raise ProtocolError where the bytes are not those that the digest names."""
    if digest_of(body, expected.partition(":")[0]) != expected:
        raise ProtocolError(f"{what} gave content that is not what its digest {expected} says: refused")


def digest_of(body: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, body).hexdigest()}"


def read_manifest(body: bytes, digest: str, what: str) -> Index | Manifest:
    """Read a manifest or an index.

    Raises:
        UnsupportedError: it is of schema 1, or no container image.
        ProtocolError: it is neither, or both at once.
    """
    content = _read_object(body, what)
    if content.get("schemaVersion") == 1:
        raise UnsupportedError(
            f"{what} has a manifest of schema 1, which registries and engines have given up"
        )
    if ("manifests" in content) == ("config" in content):
        raise ProtocolError(f"{what} has a manifest that is neither an image nor an index")
    try:
        return _index(content, digest) if "manifests" in content else _manifest(content, digest, what)
    except (KeyError, TypeError, AttributeError) as error:
        raise ProtocolError(f"{what} has a malformed manifest") from error


def _index(content: Mapping[str, Any], digest: str) -> Index:
    images = [
        (_platform(entry["platform"]), require_digest(entry["digest"], "the index"))
        for entry in content["manifests"]
        if entry.get("platform") and _ATTESTATION not in (entry.get("annotations") or {})
    ]
    return Index(digest, tuple(images))


def _manifest(content: Mapping[str, Any], digest: str, what: str) -> Manifest:
    config = content["config"]
    if config["mediaType"] not in _IMAGE_CONFIGS:
        raise UnsupportedError(f"{what} is no container image, but {str(config['mediaType'])[:80]}")
    return Manifest(digest, require_digest(config["digest"], what))


def read_config(body: bytes, what: str) -> ImageConfig:
    """Read an image's configuration: its platform, when it says it was made, and its labels.

    Raises:
        ProtocolError: it is not one.
    """
    content = _read_object(body, what)
    try:
        labels = (content.get("config") or {}).get("Labels") or {}
        return ImageConfig(
            platform=_platform(content),
            created_at=_read_time(content.get("created")),
            labels={str(key): str(value) for key, value in labels.items()},
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ProtocolError(f"{what} has a malformed image configuration") from error


def _platform(content: Mapping[str, Any]) -> Platform:
    return Platform.of(content["os"], content["architecture"], content.get("variant") or "")


def _read_time(value: Any) -> datetime | None:
    """RFC 3339 with Go's nanoseconds; a reproducible build's zero time says nothing, and is None."""
    try:
        when = datetime.fromisoformat(_FRACTION.sub(r"\1", str(value)))
    except ValueError:
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return when if when.year > 1980 else None  # noqa: PLR2004 -- the epoch, and zip's, mean "no time"


def _read_object(body: bytes, what: str) -> dict[str, Any]:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"{what} answered with something that is not JSON") from error
    if not isinstance(content, dict):
        raise ProtocolError(f"{what} answered with JSON that is no object")
    return content


def read_tag_page(body: bytes, what: str) -> tuple[str, ...]:
    """The names in one page of tags; some registries say null for none.

    Raises:
        ProtocolError: it is not a page of tags.
    """
    tags = _read_object(body, what).get("tags")
    if tags is None:
        return ()
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise ProtocolError(f"{what} answered with a malformed list of tags")
    return tuple(tags)
