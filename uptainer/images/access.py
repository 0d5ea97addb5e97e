"""How a registry is reached: whose certificates are believed, which mirrors are asked first, what else it may name."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Self

from uptainer.core.errors import InvalidInputError
from uptainer.core.reference import Reference
from uptainer.images.owners import NO_HOSTS, AllowedHosts

_PATH = re.compile(r"[a-z0-9]+(?:[._/-]+[a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM texts: the authorities that are believed beside the system's, and what we show where we are asked who we are."""

    authorities: str = ""
    certificate: str = ""
    key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Mirror:
    """Another registry that has a registry's repositories, below `prefix` where that is not empty."""

    registry: str
    prefix: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `mirror.example.org[:port][/prefix]`.

        Raises:
            InvalidInputError: it is not written so.
        """
        host, _, prefix = text.strip().removeprefix("https://").rstrip("/").partition("/")
        try:
            found = registry_name(host)
        except InvalidInputError as error:
            raise InvalidInputError(f"{text!r} is not a mirror: {error}") from error
        if prefix and not _PATH.fullmatch(prefix):
            raise InvalidInputError(f"{text!r} is not a mirror: write it like mirror.example.org/prefix")
        return cls(found, prefix)

    def path(self, repository: str) -> str:
        return f"{self.prefix}/{repository}" if self.prefix else repository

    def __str__(self) -> str:
        return f"{self.registry}/{self.prefix}" if self.prefix else self.registry


@dataclass(frozen=True, slots=True)
class Access:
    """What was said of one registry.

    `mirrors` are asked in their order, and the registry itself where none of them has an answer, unless
    `mirrors_only`. `complete`: they know every tag, so that they are asked for lists of tags as well. `plain`: it is
    asked in plain HTTP, its login included.
    """

    certificates: Certificates | None = None
    mirrors: tuple[Mirror, ...] = ()
    complete: bool = False
    mirrors_only: bool = False
    allowed: AllowedHosts = NO_HOSTS
    plain: bool = False

    def mirrors_for(self, path: str) -> tuple[Mirror, ...]:
        """Those that are asked for this path of the registry's API."""
        lists = "/tags/list" in path
        return self.mirrors if self.complete or self.mirrors_only or not lists else ()

    def where_to_read(self, reference: Reference) -> Reference:
        """Where an image is read whole, by who asks one registry only: at a mirror where nothing else is asked."""
        if not (self.mirrors_only and self.mirrors):
            return reference
        mirror = self.mirrors[0]
        return Reference(mirror.registry, mirror.path(reference.repository), reference.tag, reference.digest)


PLAIN = Access()
NO_ACCESSES: Mapping[str, Access] = MappingProxyType({})


def registry_name(text: str) -> str:
    """A registry as references name it: `index.docker.io` is `docker.io`.

    Raises:
        InvalidInputError: it is not a registry's host name.
    """
    hint = f"{text!r} is not a registry's host name: write it like ghcr.io, with no path"
    name = text.strip().removeprefix("https://").rstrip("/")
    try:
        found = Reference.parse(f"{name}/repository").registry
    except InvalidInputError as error:
        raise InvalidInputError(hint) from error
    if name not in {found, "index.docker.io"}:
        raise InvalidInputError(hint)
    return found
