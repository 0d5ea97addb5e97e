"""A statement of a VEX document, and of exactly which image and package it speaks.

A product is named by its package URL, and is matched to the letter: what is not surely meant is not meant.
Source: https://github.com/package-url/purl-spec, "oci"; OpenVEX specification 0.2.0, "Product and subcomponent".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache

from packageurl import PackageURL

from uptainer.core.enums import VexFormat
from uptainer.core.errors import InvalidInputError
from uptainer.core.findings import Vulnerability
from uptainer.core.reference import Reference
from uptainer.policy.identity import ImageIdentity
from uptainer.policy.vex.editions import NO_EDITION, Edition

UNDATED = datetime.min.replace(tzinfo=UTC)
_OCI_QUALIFIERS = frozenset({"repository_url", "tag", "arch"})


class VexStatus(StrEnum):
    NOT_AFFECTED = "not_affected"
    FIXED = "fixed"
    AFFECTED = "affected"
    UNDER_INVESTIGATION = "under_investigation"


EXCUSING = frozenset({VexStatus.NOT_AFFECTED, VexStatus.FIXED})


@dataclass(frozen=True, slots=True)
class Product:
    """An image, or in it (`component`) one of its packages; without an `image`, a package wherever it is."""

    image: PackageURL | None = None
    component: PackageURL | None = None

    def is_in(self, image: ImageIdentity, found: Vulnerability) -> bool:
        if self.image is not None and not is_image(self.image, image):
            return False
        if self.component is not None:
            return is_package(self.component, found.purl)
        return self.image is not None


@dataclass(frozen=True, slots=True)
class Statement:
    """`number` counts the document's statements from 1. `why` is its justification, or its statement of the impact.

    `names` are the vulnerability's id and its aliases, in capitals.
    """

    number: int
    names: frozenset[str]
    status: VexStatus
    products: tuple[Product, ...]
    why: str = ""
    at: datetime = UNDATED

    @property
    def excuses(self) -> bool:
        """That something is not affected is to be believed only with a reason."""
        return self.status is VexStatus.FIXED or (self.status is VexStatus.NOT_AFFECTED and bool(self.why))

    def speaks_of(self, found: Vulnerability, image: ImageIdentity) -> bool:
        """Of one of its own names."""
        return any(each.is_in(image, found) for each in self.products)


@dataclass(frozen=True, slots=True)
class Document:
    """`unusable` says of each statement that can never apply to an image why not. `size` is as `Measure` counts it."""

    name: str
    format: VexFormat
    sha256: str
    statements: tuple[Statement, ...]
    unusable: Mapping[int, str]
    edition: Edition = NO_EDITION
    size: int = 0
    by_name: Mapping[str, Sequence[Statement]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """A supplier's document may have tens of thousands of statements, and each finding is asked about."""
        by_name: dict[str, list[Statement]] = {}
        for each in self.statements:
            for name in each.names:
                by_name.setdefault(name, []).append(each)
        object.__setattr__(self, "by_name", by_name)

    def last_words(self, found: Vulnerability, image: ImageIdentity) -> tuple[Statement, ...]:
        """The newest of what it says of this; several of the same time all count."""
        asked = self.by_name.get(found.id.upper(), ())
        said = [each for each in asked if each.speaks_of(found, image)]
        newest = max((each.at for each in said), default=UNDATED)
        return tuple(each for each in said if each.at == newest)


def newest(documents: Sequence[Document]) -> tuple[Document, ...]:
    """Without those of which a newer edition is there too."""
    return tuple(
        each for each in documents if not any(other.edition.supersedes(each.edition) for other in documents)
    )


@lru_cache(maxsize=10_000)
def parse_purl(text: str) -> PackageURL | None:
    """None: it is no package URL, so that nothing can be found by it. A scan and its documents name few, many times."""
    try:
        return PackageURL.from_string(text)
    except ValueError:
        return None


def is_image(purl: PackageURL, image: ImageIdentity) -> bool:
    """A digest must be one of the image's, and a repository, tag or architecture its own, wherever one is given.

    Without a digest the repository must be named: the last part of a name alone says too little.
    """
    asked = _qualifiers(purl)
    if purl.type != "oci" or purl.subpath or set(asked) - _OCI_QUALIFIERS:
        return False
    reference, repository = image.reference, asked.get("repository_url", "")
    known = purl.version in image.digests if purl.version else bool(repository)
    if repository:
        known = known and reference is not None and _name(repository) == reference.name
    if "tag" in asked:
        known = known and reference is not None and reference.tag == asked["tag"]
    return known and asked.get("arch", image.architecture) == image.architecture


def is_package(wanted: PackageURL, found: str) -> bool:
    """Type, namespace and name are the same, and so is all else that is asked for: version, qualifiers, path."""
    actual = parse_purl(found)
    if actual is None:
        return False
    same = (wanted.type, wanted.namespace, wanted.name) == (actual.type, actual.namespace, actual.name)
    version = not wanted.version or wanted.version == actual.version
    path = not wanted.subpath or wanted.subpath == actual.subpath
    return same and version and path and _qualifiers(wanted).items() <= _qualifiers(actual).items()


def _qualifiers(purl: PackageURL) -> Mapping[str, str]:
    return purl.qualifiers if isinstance(purl.qualifiers, dict) else {}


def _name(repository: str) -> str | None:
    """Docker Hub has several names."""
    try:
        return Reference.parse(repository.removeprefix("https://")).name
    except InvalidInputError:
        return None
