"""What an engine is told of a registry, and what it tells of one, when it pulls."""

import base64
import json
from collections.abc import Mapping

from uptainer.core.errors import (
    AccessDeniedError,
    NotFoundError,
    PermanentError,
    RateLimitedError,
    TemporaryError,
    UnsupportedError,
)

_FAULTS: tuple[tuple[tuple[str, ...], type[PermanentError] | type[TemporaryError]], ...] = (
    (("toomanyrequests", "rate limit"), RateLimitedError),
    (
        ("no matching manifest", "does not match the specified platform", "no image found in"),
        UnsupportedError,
    ),
    (("unauthorized", "denied", "no basic auth", "authentication required"), AccessDeniedError),
    (("not found", "manifest unknown", "name unknown", "repository does not exist"), NotFoundError),
)
_UNTRUSTED = ("x509:", "certificate signed by unknown", "bad certificate", "certificate required")


def pull_fault(name: str, said: str) -> PermanentError | TemporaryError:
    """The engine's words about a pull that failed, as an error of ours."""
    lowered = said.lower()
    if any(word in lowered for word in _UNTRUSTED):
        return UnsupportedError(f"{name} can't be pulled: {said}; {_how_to_trust(name)}")
    for words, fault in _FAULTS:
        if any(word in lowered for word in words):
            return fault(f"{name} can't be pulled: {said}")
    return TemporaryError(f"{name} can't be pulled: {said}")


def _how_to_trust(name: str) -> str:
    """An engine pulls with its own certificates, and is told of none by its API."""
    registry = name.partition("/")[0]
    return (
        f"the engine itself has to believe {registry}: on its machine, put the CA into /etc/docker/certs.d/{registry}/ca.crt "
        f"(Podman: /etc/containers/certs.d/{registry}/ca.crt), and a client certificate beside it where one is asked for"
    )


def auth_header(registry: str, auth: Mapping[str, str]) -> str:
    """`X-Registry-Auth`."""
    return base64.urlsafe_b64encode(json.dumps({**auth, "serveraddress": registry}).encode()).decode()
