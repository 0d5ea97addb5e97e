"""Which project an image says that it comes from.

Source: the OCI image specification's annotations (`org.opencontainers.image.source`, `.url`). They are written by
whoever built the image: they choose a project on a host, and the host is asked only if an operator named it.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from uptainer.core.errors import InvalidInputError, NotFoundError

LABELS = ("org.opencontainers.image.source", "org.opencontainers.image.url")
ANY = "*"
"""Stands for every public host."""

_SSH = re.compile(r"^git@([A-Za-z0-9.-]+):")
_SEGMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
_NAME = re.compile(r"(?=.{4,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,62}")
_SCHEMES = {"https", "http", "ssh", "git"}
_MAX_DEPTH = 20
_OWNER_AND_NAME = 2


@dataclass(frozen=True, slots=True)
class Project:
    """`host` as the label has it; `path` is its parts: owner and name, and on a GitLab every group above it."""

    host: str
    path: tuple[str, ...]

    def __str__(self) -> str:
        return "/".join((self.host, *self.path))


def project_of(labels: Mapping[str, str], hosts: Collection[str]) -> Project:
    """The project that the labels name, the source before the home page; `*` in `hosts` allows any public one.

    Raises:
        NotFoundError: there is no such label.
        InvalidInputError: none of them leads to a project on a host whose release notes are read.
    """
    given = [labels[name].strip() for name in LABELS if labels.get(name, "").strip()]
    if not given:
        raise NotFoundError(f"the image names no source: it has no label {LABELS[0]}")
    for address in given:
        project = _parse(address, hosts)
        if project is not None:
            return project
    raise InvalidInputError(
        f"{given[0][:200]} is not a project on a host whose release notes are read: "
        "a `Release notes host` block names one more"
    )


def _parse(address: str, hosts: Collection[str]) -> Project | None:
    """Any usual way to write a repository's address; only its host and the project's path are taken from it."""
    url = _SSH.sub(r"ssh://\1/", address.removeprefix("git+"))
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").removeprefix("www.")
        is_read = host in hosts or (ANY in hosts and _is_plain(parts, host))
    except ValueError:
        return None
    path = tuple(_path(parts.path))
    if parts.scheme not in _SCHEMES or not is_read or len(path) < _OWNER_AND_NAME:
        return None
    return Project(host, path)


def _is_plain(parts: SplitResult, host: str) -> bool:
    """A name of the public DNS without a port of its own: no address, and nothing that only this network knows."""
    return parts.port in {None, 22, 80, 443} and _NAME.fullmatch(host) is not None


def _path(path: str) -> Iterator[str]:
    """The parts of the project's path: to GitLab's `-`, or to where something stands that no project is called."""
    for segment in path.strip("/").split("/")[:_MAX_DEPTH]:
        if not _SEGMENT.fullmatch(segment):
            return
        yield segment.removesuffix(".git")
        if segment.endswith(".git"):
            return
