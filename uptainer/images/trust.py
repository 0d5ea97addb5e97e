"""Whose certificates are believed: this machine's, and for single registries what we or Docker were given for them.

Source: https://docs.docker.com/engine/security/certificates/.
"""

import ssl
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import certifi

from uptainer.core.errors import InvalidInputError
from uptainer.images.access import Certificates

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


def own_trust(certificates: Certificates, *, shown: bool) -> ssl.SSLContext:
    """The system's authorities and these; `shown`: with our own certificate, for who asks who we are.

    Raises:
        InvalidInputError: a text is no certificate, or the key is not the certificate's.
    """
    context = system_trust()
    try:
        if certificates.authorities:
            context.load_verify_locations(cadata=certificates.authorities)
    except (ssl.SSLError, ValueError) as error:
        raise InvalidInputError("the CA certificate is not in PEM form, or is none") from error
    if shown and certificates.certificate:
        _load_chain(context, certificates)
    return context


def authorities_for(registry: str, given: Certificates | None, folder: Path = DOCKER_CERTIFICATES) -> str:
    """The PEM text of the authorities that are believed for this registry only; "" where there are none."""
    found = [given.authorities] if given and given.authorities else []
    place = folder / registry
    try:
        found += [path.read_text(encoding="ascii") for path in sorted(place.glob("*.crt"))]
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"{place} holds a certificate that cannot be read: {error}") from error
    return "\n".join(found)


def _load_chain(context: ssl.SSLContext, certificates: Certificates) -> None:
    """Python reads a key from a file only; this one is ours alone, and gone before anything else is done."""
    with tempfile.NamedTemporaryFile("w", prefix="uptainer-", suffix=".pem") as file:
        file.write(f"{certificates.certificate}\n{certificates.key}\n")
        file.flush()
        try:
            context.load_cert_chain(file.name, password=_no_passphrase)
        except (ssl.SSLError, ValueError) as error:
            raise InvalidInputError(
                "the client certificate and its key are not both in PEM form, without a passphrase, and of one pair"
            ) from error


def _no_passphrase() -> str:
    """OpenSSL would ask the terminal."""
    raise ValueError("the key has a passphrase")


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
