"""Whose certificates are believed: this machine's, and for single registries what Docker was given for them.

Source: https://docs.docker.com/engine/security/certificates/.
"""

import ssl
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import certifi

from uptainer.core.errors import InvalidInputError

DOCKER_CERTIFICATES = Path("/etc/docker/certs.d")


def system_trust() -> ssl.SSLContext:
    """The authorities that this machine knows, and Mozilla's, for machines that know none."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


@cache
def shared_trust() -> ssl.SSLContext:
    """`system_trust`, read once in a process: reading some hundred authorities takes longer than a lookup."""
    return system_trust()


def registry_trusts(folder: Path = DOCKER_CERTIFICATES) -> Mapping[str, ssl.SSLContext]:
    """For each registry (`host:port`) that has a folder: its own authorities (`*.crt`) and our keys (`*.cert`, `*.key`).

    What may not be read here is left out; the registry's certificate is then not believed, and its lookup says so.

    Raises:
        InvalidInputError: a file holds no certificate or key; the message names it.
    """
    try:
        return {place.name: _trust_in(place) for place in sorted(folder.iterdir()) if place.is_dir()}
    except (FileNotFoundError, PermissionError):
        return {}


def _trust_in(place: Path) -> ssl.SSLContext:
    context = system_trust()
    for path in sorted(place.iterdir()):
        try:
            if path.suffix == ".crt":
                context.load_verify_locations(path)
            elif path.suffix == ".cert":
                context.load_cert_chain(path, path.with_suffix(".key"))
        except PermissionError:
            continue
        except (ssl.SSLError, FileNotFoundError) as error:
            raise InvalidInputError(f"{path} holds no certificate, or its key is missing: {error}") from error
    return context
