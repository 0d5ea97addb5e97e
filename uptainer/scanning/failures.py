"""What a Trivy that failed says on stderr, as an error that is worth trying again or is not.

Trivy exits 1 for everything, so the text decides. Both tables were made from what Trivy 0.76 really prints.
"""

import re

from uptainer.core.errors import (
    AccessDeniedError,
    BusyError,
    InvalidInputError,
    NotFoundError,
    PermanentError,
    RateLimitedError,
    TemporaryError,
    UnreachableError,
    UnsupportedError,
    UptainerError,
)

_FATAL = re.compile(r"^\S+\s+FATAL\s+(?:Fatal error\s+)?(?P<what>.*)", re.DOTALL | re.MULTILINE)
_MAX_REASON = 500

_NEVER_AGAIN: tuple[tuple[str, type[PermanentError], str], ...] = (
    (r"MANIFEST_UNKNOWN|NAME_UNKNOWN|manifest unknown", NotFoundError, "the registry has no such image"),
    (r"No such image", NotFoundError, "the engine has no such image"),
    (r"twirp error unauthenticated", AccessDeniedError, "the Trivy server refuses the token"),
    (
        r"UNAUTHORIZED|401 Unauthorized|DENIED|403 Forbidden",
        AccessDeniedError,
        "the registry refuses the credentials",
    ),
    (r"no child with platform|no matching manifest", NotFoundError, "the image has no such platform"),
    (
        r"invalid database|database schema version",
        UnsupportedError,
        "the vulnerability database cannot be used",
    ),
    (
        r"Java DB.*cannot be specified on the first run",
        UnsupportedError,
        "Java archives need Trivy's Java index, which is not downloaded offline: put it into the cache, as java-db",
    ),
    (r"cannot be specified on the first run", UnsupportedError, "there is no vulnerability database yet"),
    (r"HTTP response to HTTPS client", UnsupportedError, "the registry speaks plain HTTP"),
    (
        r"x509:|certificate signed by unknown",
        UnsupportedError,
        "the registry's certificate is not trusted: put its CA into a Registry block for it",
    ),
    (
        r"invalid realm",
        UnsupportedError,
        "Trivy asks no token server at a private address; scan it on an engine",
    ),
    (r"unknown flag|unknown shorthand flag", UnsupportedError, "this version of Trivy is too old or too new"),
    (
        r"could not parse reference|invalid reference",
        InvalidInputError,
        "the image's name is not a reference",
    ),
)
_TRY_AGAIN: tuple[tuple[str, type[TemporaryError], str], ...] = (
    (r"may be in use by another process", BusyError, "another Trivy holds the cache"),
    (r"TOOMANYREQUESTS|429 Too Many Requests|status code 429", RateLimitedError, "too many requests"),
    (r"context deadline exceeded|i/o timeout|TLS handshake timeout", UnreachableError, "no answer in time"),
    (r"connection refused|connection reset|broken pipe|unexpected EOF", UnreachableError, "no connection"),
    (r"no such host|server misbehaving|network is unreachable", UnreachableError, "the host was not found"),
    (
        r"\b50[0234] (Internal|Bad|Service|Gateway)|status code 50[0234]",
        UnreachableError,
        "the server has a fault",
    ),
)


def classify(stderr: str, *, subject: str) -> UptainerError:
    """The error that says what happened to `subject`. What is in neither table is not tried again.

    The permanent ones are looked for first: with "401 ... ; connection refused" for two endpoints of one registry,
    it is the answer that counts.
    """
    fatal = _fatal_text(stderr)
    said = _shorten(fatal)
    for pattern, permanent, meaning in _NEVER_AGAIN:
        if re.search(pattern, fatal):
            return permanent(f"{subject}: {meaning} ({said})")
    for pattern, temporary, meaning in _TRY_AGAIN:
        if re.search(pattern, fatal):
            return temporary(f"{subject}: {meaning} ({said})")
    return PermanentError(f"{subject}: Trivy failed ({said})")


def _fatal_text(stderr: str) -> str:
    """What Trivy names as fatal, to the end, else its last line; on one line."""
    match = _FATAL.search(stderr)
    text = match["what"] if match else (stderr.strip().splitlines() or ["it said nothing"])[-1]
    return " ".join(text.split())


def _shorten(text: str) -> str:
    """The beginning and the end: the end of Trivy's chain of messages is the cause."""
    return (
        text
        if len(text) <= _MAX_REASON
        else f"{text[: _MAX_REASON // 3]} ... {text[-_MAX_REASON * 2 // 3 :]}"
    )
