"""What goes wrong between an engine and us, as our errors: the connection's failures, and the engine's refusals."""

import errno
import json
import socket
import ssl
from http.client import HTTPResponse
from typing import NoReturn

from uptainer.core.errors import (
    AccessDeniedError,
    InvalidInputError,
    NotFoundError,
    PermanentError,
    TemporaryError,
    UnreachableError,
    UnsupportedError,
)
from uptainer.core.workloads import HostAddress

BAD_REQUEST = 400
_SERVER_FAULT = 500
_OUR_CERTIFICATE = (
    "ALERT_CERTIFICATE_REQUIRED",
    "ALERT_BAD_CERTIFICATE",
    "ALERT_UNKNOWN_CA",
    "HANDSHAKE_FAILURE",
)
_NO_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE")


def raise_fault(fault: Exception, address: HostAddress, about: str) -> NoReturn:
    """A connection's failure.

    Raises:
        AccessDeniedError: we, or the other side, do not pass for what we should be.
        UnreachableError: it does not answer.
    """
    if isinstance(fault, ssl.SSLError):
        _raise_tls_fault(fault, address)
    number = fault.errno if isinstance(fault, OSError) else None
    if number in (errno.EACCES, errno.EPERM):
        raise AccessDeniedError(
            f"{address.name}: no permission to use {address.url}. Run as a user of the group that owns the socket "
            "(`sudo usermod -aG docker $USER`, then log in again), or as root."
        ) from fault
    if number == errno.ENOENT:
        raise UnreachableError(
            f"{address.name}: there is no socket at {address.url}; is the engine running?"
        ) from fault
    if number == errno.ECONNREFUSED:
        raise UnreachableError(
            f"{address.name}: nothing answers at {address.url}; is the engine running?"
        ) from fault
    if isinstance(fault, socket.gaierror):
        raise UnreachableError(
            f"{address.name}: the name in {address.url} is not known: {fault.strerror}"
        ) from fault
    raise UnreachableError(
        f"{address.name} did not answer about {about}: {fault or type(fault).__name__}"
    ) from fault


def _raise_tls_fault(fault: ssl.SSLError, address: HostAddress) -> NoReturn:
    if isinstance(fault, ssl.SSLCertVerificationError):
        raise AccessDeniedError(
            f"{address.name}: the certificate that {address.url} shows is not trusted: {fault.verify_message}. "
            "The CA must be the one that signed it, and the name in the URL one of those that it is for."
        ) from fault
    reason = fault.reason or ""
    if "CERTIFICATE_EXPIRED" in reason:
        raise AccessDeniedError(
            f"{address.name}: our client certificate has expired: put a new one, and its key, into the block"
        ) from fault
    if any(sign in reason for sign in _OUR_CERTIFICATE):
        raise AccessDeniedError(
            f"{address.name}: {address.url} does not accept our client certificate: it must be signed by the CA that "
            "the engine was given as --tlscacert, and be for client authentication"
        ) from fault
    if any(sign in reason for sign in _NO_TLS):
        raise AccessDeniedError(
            f"{address.name}: what answers at {address.url} does not speak TLS: the engine needs --tlsverify there"
        ) from fault
    raise UnreachableError(f"{address.name}: TLS with {address.url} failed: {fault}") from fault


def raise_refusal(answer: HTTPResponse, about: str, host: str) -> NoReturn:
    """An answer that says no."""
    text = answer.read().decode(errors="replace")
    try:
        said = str(json.loads(text).get("message", "")) or text
    except (ValueError, AttributeError):
        said = text
    message = f"{host}, {about}: {said.strip() or answer.reason}"
    match answer.status:
        case 404:
            raise NotFoundError(message)
        case 401 | 403:
            raise AccessDeniedError(message)
        case 400:
            raise InvalidInputError(message)
        case 501:
            raise UnsupportedError(message)
        case status if status >= _SERVER_FAULT:
            raise TemporaryError(message)
        case _:
            raise PermanentError(message)
