"""Image references, by the grammar of distribution/reference with Docker Hub's defaults.

Source: https://github.com/distribution/reference, `reference.go` and `normalize.go`.
"""

import re
from dataclasses import dataclass, replace
from typing import Self

from uptainer.core.errors import InvalidInputError

DOCKER_HUB = "docker.io"
MAX_NAME_LENGTH = 255

_DOMAIN_COMPONENT = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_HOST = rf"(?:{_DOMAIN_COMPONENT}(?:\.{_DOMAIN_COMPONENT})*|\[(?:[a-fA-F0-9:]+)\])"
_DOMAIN = re.compile(rf"{_HOST}(?::[0-9]+)?")
_PATH_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_PATH_COMPONENT}(?:/{_PATH_COMPONENT})*")
_TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128}")
_IMAGE_ID = re.compile(r"(?:sha256:)?[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Reference:
    """One image name: `registry/repository[:tag][@digest]`, always with its registry written out."""

    registry: str
    repository: str
    tag: str | None = None
    digest: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a reference as a person or an engine writes it: `nginx` is `docker.io/library/nginx:latest`.

        Raises:
            InvalidInputError: it is not a reference; the message says which part is wrong.
        """
        if _IMAGE_ID.fullmatch(text):
            raise InvalidInputError(f"{text!r} is an image id, not a reference")
        rest, digest = _split_digest(text)
        rest, tag = _split_tag(rest, text)
        registry, repository = _split_registry(rest)
        if not _PATH.fullmatch(repository):
            raise InvalidInputError(f"{text!r} is not an image reference: {_path_fault(repository)}")
        if not _DOMAIN.fullmatch(registry):
            raise InvalidInputError(f"{text!r} is not an image reference: {registry!r} is not a host name")
        if len(registry) + 1 + len(repository) > MAX_NAME_LENGTH:
            raise InvalidInputError(f"{text[:40]!r}... is longer than {MAX_NAME_LENGTH} characters")
        if tag is None and digest is None:
            tag = "latest"
        return cls(registry, repository, tag, digest)

    @property
    def name(self) -> str:
        """Registry and repository: what tags and digests belong to."""
        return f"{self.registry}/{self.repository}"

    @property
    def familiar(self) -> str:
        """As a person writes it: without Docker Hub's own prefix, with tag and digest as they are."""
        short = self.name
        if self.registry == DOCKER_HUB:
            short = self.repository.removeprefix("library/")
        return short + self._suffix()

    def with_tag(self, tag: str) -> Self:
        return replace(self, tag=tag, digest=None)

    def with_digest(self, digest: str) -> Self:
        """The same name at exactly this digest, the tag left out: what is pulled and scanned."""
        return replace(self, tag=None, digest=digest)

    def _suffix(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return tag + (f"@{self.digest}" if self.digest else "")

    def __str__(self) -> str:
        return self.name + self._suffix()


def _split_digest(text: str) -> tuple[str, str | None]:
    rest, at, digest = text.partition("@")
    if not at:
        return text, None
    if not _DIGEST.fullmatch(digest):
        raise InvalidInputError(f"{text!r} is not an image reference: {digest!r} is not a digest")
    return rest, digest


def _split_tag(rest: str, text: str) -> tuple[str, str | None]:
    head, colon, tag = rest.rpartition(":")
    if not colon or "/" in tag:
        return rest, None
    if not _TAG.fullmatch(tag):
        raise InvalidInputError(f"{text!r} is not an image reference: {tag!r} is not a tag")
    return head, tag


def _split_registry(rest: str) -> tuple[str, str]:
    first, slash, remainder = rest.partition("/")
    is_host = bool(slash) and ("." in first or ":" in first or first == "localhost" or first.lower() != first)
    if not is_host:
        return DOCKER_HUB, rest if slash or not rest else f"library/{rest}"
    if first == "index.docker.io":
        first = DOCKER_HUB
    if first == DOCKER_HUB and "/" not in remainder:
        remainder = f"library/{remainder}"
    return first, remainder


def _path_fault(repository: str) -> str:
    if not repository:
        return "the name is empty"
    if repository != repository.lower():
        return f"{repository!r} has capital letters, and repository names are lower case"
    return f"{repository!r} is not a repository name"
