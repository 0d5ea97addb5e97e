"""Which of the logins in a cluster's pull secrets is for an image: chosen as the node that pulls it chooses.

Source: https://kubernetes.io/docs/concepts/containers/images/#config-json
"""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from uptainer.core.reference import DOCKER_HUB, Reference
from uptainer.images.credentials import Credential, read_entry
from uptainer.images.endpoints import canonical_registry

_API_VERSIONS = ("v1", "v2")
"""Old clients wrote the registry's API behind its name: it is no part of a repository's."""


def choose_login(auths: Mapping[str, Any], reference: Reference) -> Credential | None:
    """The login of the longest entry that this image's name begins with; None where none is for it.

    Raises:
        InvalidInputError: the entry is not what Docker writes; the message never quotes its content.
    """
    matching = [key for key in auths if _is_for(key, reference)]
    if not matching:
        return None
    key = max(matching, key=lambda each: (len(_path(each)), "*" not in each, len(each)))
    return read_entry("its pull secret", key, auths[key])


def _is_for(key: str, reference: Reference) -> bool:
    return _is_host(key, reference.registry) and (
        not (path := _path(key)) or f"{reference.repository}/".startswith(f"{path}/")
    )


def _is_host(key: str, registry: str) -> bool:
    """A `*` stands for signs within one part of the name; the port must be the same."""
    host = canonical_registry(key)
    if DOCKER_HUB in {host, registry}:
        return host == registry
    wanted, given = host.split("."), registry.lower().split(".")
    return len(wanted) == len(given) and all(
        fnmatchcase(part, pattern) for part, pattern in zip(given, wanted, strict=True)
    )


def _path(key: str) -> str:
    bare = key.strip().removeprefix("https://").removeprefix("http://")
    path = bare.partition("/")[2].strip("/")
    return "" if path in _API_VERSIONS else path
