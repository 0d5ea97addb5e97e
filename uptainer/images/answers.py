"""A registry's answers judged: which error each one is, and how long it asks us to wait.

Source: the OCI distribution specification, "Error Codes"; RFC 9110 section 10.2.3 for `Retry-After`.
"""

import json
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx

from uptainer.core.clock import utc_now
from uptainer.core.errors import (
    AccessDeniedError,
    NotFoundError,
    ProtocolError,
    RateLimitedError,
    TemporaryError,
)
from uptainer.core.text import one_line
from uptainer.images.quotas import read_instant

_QUOTED = 200
"""Characters of a stranger's message that are repeated."""
_SERVER_ERRORS = range(500, 600)


def raise_for_status(response: httpx.Response, what: str) -> None:
    """Raise the error that a read answer stands for; `what` says of whom or what it speaks.

    Raises:
        RateLimitedError: 429, or the registry's own TOOMANYREQUESTS under any status.
        AccessDeniedError: 401 and 403.
        NotFoundError: 404 and 410.
        TemporaryError: 408 and everything from 500.
        ProtocolError: any other answer that is no success.
    """
    if response.is_success:
        return
    codes, said = _read_errors(response)
    text = f"{what} answered {response.status_code}{said}"
    status = response.status_code
    if status == httpx.codes.TOO_MANY_REQUESTS or "TOOMANYREQUESTS" in codes:
        raise RateLimitedError(
            f"{text}: too many requests", retry_after=read_retry_after(response, utc_now())
        )
    if status in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
        raise AccessDeniedError(f"{text}: the credentials are missing, wrong, or do not allow this")
    if status in {httpx.codes.NOT_FOUND, httpx.codes.GONE}:
        raise NotFoundError(f"{text}: there is no such thing")
    if status == httpx.codes.REQUEST_TIMEOUT or status in _SERVER_ERRORS:
        raise TemporaryError(text, retry_after=read_retry_after(response, utc_now()))
    raise ProtocolError(text)


def read_retry_after(response: httpx.Response, now: datetime) -> timedelta | None:
    """How long we are asked to wait; None where it is not said, or not readably.

    From seconds or from a date, or, as Docker Hub says it in `X-Retry-After`, from seconds since 1970.
    """
    value = (response.headers.get("Retry-After") or response.headers.get("X-Retry-After", "")).strip()
    if instant := read_instant(value, now):
        return max(instant - now, timedelta(0))
    try:
        when = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(when - now, timedelta(0))


def _read_errors(response: httpx.Response) -> tuple[frozenset[str], str]:
    """The registry's error codes, and its first message as it may be repeated to a person."""
    try:
        errors = json.loads(response.content)["errors"]
        codes = frozenset(str(error.get("code", "")).upper() for error in errors)
        message = str(errors[0].get("message", "")) if errors else ""
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, httpx.StreamError):
        return frozenset(), ""
    shown = one_line(message)[:_QUOTED]
    return codes, f" ({shown})" if shown else ""
