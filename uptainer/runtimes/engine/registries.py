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


def pull_fault(name: str, said: str) -> PermanentError | TemporaryError:
    """The engine's words about a pull that failed, as an error of ours."""
    lowered = said.lower()
    for words, fault in _FAULTS:
        if any(word in lowered for word in words):
            return fault(f"{name} can't be pulled: {said}")
    return TemporaryError(f"{name} can't be pulled: {said}")


def auth_header(registry: str, auth: Mapping[str, str]) -> str:
    """`X-Registry-Auth`."""
    return base64.urlsafe_b64encode(json.dumps({**auth, "serveraddress": registry}).encode()).decode()
