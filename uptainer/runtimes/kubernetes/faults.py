"""What went wrong with a call, in our words: by the API server's own account of it, or by how the connection failed.

Source: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/
"""

import json
import re
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from types import MappingProxyType
from typing import Any, NoReturn

from uptainer.core.errors import (
    AccessDeniedError,
    BusyError,
    InvalidInputError,
    NotFoundError,
    PermanentError,
    ProtocolError,
    RateLimitedError,
    RefusedError,
    TemporaryError,
    UnreachableError,
    UnsupportedError,
)
from uptainer.core.workloads import HostAddress

Json = Mapping[str, Any]
NO_HEADERS: Mapping[str, str] = MappingProxyType({})

_FORBIDDEN_VERB = re.compile(
    r'cannot (?P<verb>\S+) resource "(?P<resource>[^"]+)" in API group "(?P<group>[^"]*)"'
    r'(?: in the namespace "(?P<namespace>[^"]+)")?'
)
_SERVER_FAULT = 500
_REDIRECT = range(300, 400)
_FORBIDDEN = 403
_CONFLICT = 409


class ExpiredError(TemporaryError):
    """The rest of a list is not kept any more: the list must be begun again."""


_PERMANENT: Mapping[int, type[PermanentError]] = {
    400: InvalidInputError,
    401: AccessDeniedError,
    404: NotFoundError,
    405: UnsupportedError,
    406: UnsupportedError,
    413: InvalidInputError,
    415: UnsupportedError,
    422: InvalidInputError,
}
_HINTS = {401: "it does not know who we are: our token or certificate is wrong or has expired"}
_TEMPORARY: Mapping[int, type[TemporaryError]] = {
    410: ExpiredError,
    429: RateLimitedError,
    502: UnreachableError,
    503: UnreachableError,
    504: UnreachableError,
}


def refuse(
    host: str, asked: str, code: int, content: bytes, headers: Mapping[str, str] = NO_HEADERS
) -> NoReturn:
    """Raise what a refusal means; `asked` is the method and the path."""
    status = _status(content)
    said = str(status.get("message") or content.decode(errors="replace")[:500]).strip() or f"HTTP {code}"
    if code == _FORBIDDEN:
        _refuse_forbidden(host, said)
    if code == _CONFLICT:
        raise (PermanentError if status.get("reason") == "AlreadyExists" else BusyError)(f"{host}: {said}")
    if code in _REDIRECT:
        raise ProtocolError(f"{host} sends us elsewhere ({code}): give the cluster's own address")
    if code in _PERMANENT:
        raise _PERMANENT[code](f"{host}: {_HINTS.get(code) or said} ({asked})")
    if code in _TEMPORARY or code >= _SERVER_FAULT:
        kind = _TEMPORARY.get(code, TemporaryError)
        raise kind(f"{host}: {said} ({asked})", retry_after=_retry_after(headers, status))
    raise PermanentError(f"{host}: {said} ({asked})")


def _refuse_forbidden(host: str, said: str) -> NoReturn:
    """Missing rights are told by the rule that gives them; anything else is a rule of the cluster's, like a quota."""
    found = _FORBIDDEN_VERB.search(said)
    if found is None:
        raise RefusedError(f"{host} refuses it: {said}")
    namespace = found["namespace"]
    where = f"a Role in the namespace {namespace}" if namespace else "a ClusterRole"
    rule = json.dumps(
        {"apiGroups": [found["group"]], "resources": [found["resource"]], "verbs": [found["verb"]]}
    )
    raise AccessDeniedError(
        f"{host} does not let us {found['verb']} {found['resource']}: {where} needs {rule}. It says: {said}"
    )


@contextmanager
def transport_faults(address: HostAddress, about: str) -> Iterator[None]:
    """The connection's failures as ours."""
    from urllib3 import exceptions  # noqa: PLC0415 -- it comes with what takes a second to import

    try:
        yield
    except (exceptions.ConnectTimeoutError, exceptions.ReadTimeoutError) as fault:
        if isinstance(
            fault, exceptions.NewConnectionError
        ):  # its ancestor's name notwithstanding: it was refused
            raise UnreachableError(
                f"{address.name}: nothing answers at {address.url}: {_words(fault)}; is the cluster running?"
            ) from fault
        raise UnreachableError(
            f"{address.name} did not answer about {about} in {address.timeout:g} s"
        ) from fault
    except exceptions.SSLError as fault:
        _refuse_certificate(address, fault)
    except (exceptions.HTTPError, OSError) as fault:
        raise UnreachableError(f"{address.name}: {_words(fault)}; is the cluster running?") from fault


def _refuse_certificate(address: HostAddress, fault: Exception) -> NoReturn:
    """A server that proves to be another one, or that does not take our certificate, stays so however often we ask."""
    cause = next((each for each in _chain(fault) if isinstance(each, ssl.SSLError)), fault)
    if isinstance(cause, ssl.SSLCertVerificationError):
        raise AccessDeniedError(
            f"{address.name}: the server's certificate is not trusted ({cause.verify_message}): give the cluster's CA "
            "with the connection"
        ) from fault
    raise AccessDeniedError(
        f"{address.name}: TLS failed: {getattr(cause, 'reason', None) or cause}"
    ) from fault


def _words(fault: Exception) -> str:
    system = next((each for each in _chain(fault) if isinstance(each, OSError) and each.strerror), None)
    return system.strerror or "" if system is not None else str(fault) or type(fault).__name__


def _chain(fault: BaseException | None) -> Iterator[BaseException]:
    while fault is not None:
        yield fault
        yield from (each for each in fault.args if isinstance(each, BaseException))
        fault = fault.__cause__ or fault.__context__


def _status(content: bytes) -> Json:
    try:
        status = json.loads(content)
    except ValueError:
        return {}
    return status if isinstance(status, dict) else {}


def _retry_after(headers: Mapping[str, str], status: Json) -> timedelta | None:
    said = headers.get("retry-after") or (status.get("details") or {}).get("retryAfterSeconds")
    return timedelta(seconds=int(said)) if said and str(said).isdigit() else None
