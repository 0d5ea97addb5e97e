"""Sockets that wait no longer than they should, for each piece, and for all of an answer where that is asked."""

import socket
import ssl
import time
from typing import Any


class PatientSocket(socket.socket):
    """`silence` is how many seconds may pass between two pieces; at `deadline`, on the monotonic clock, all must be there."""

    silence: float | None = None
    deadline: float | None = None

    def be_patient(self, silence: float, deadline: float | None) -> None:
        self.silence, self.deadline = silence, deadline
        self.settimeout(silence)

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        if self.deadline is not None:
            left = self.deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("timed out in the middle of the answer")
            self.settimeout(left if self.silence is None else min(left, self.silence))
        return super().recv_into(buffer, nbytes or len(buffer), flags)


class PatientTls(PatientSocket, ssl.SSLSocket):
    pass


def dial_unix(path: str, timeout: float) -> PatientSocket:
    opened = PatientSocket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        opened.settimeout(timeout)
        opened.connect(path)
    except BaseException:
        opened.close()
        raise
    return opened


def dial_tcp(host: str, port: int, timeout: float) -> PatientSocket:
    """All addresses of the host share `timeout`: one that drops what it is sent leaves time for the others."""
    until = time.monotonic() + timeout
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for number, (family, kind, protocol, _, address) in enumerate(found):
        is_last = number == len(found) - 1
        opened = PatientSocket(family, kind, protocol)
        try:
            opened.settimeout(max((until - time.monotonic()) / (len(found) - number), 0.001))
            opened.connect(address)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        except OSError:
            opened.close()
            if is_last:
                raise
            continue
        except BaseException:
            opened.close()
            raise
        return opened
    raise OSError(f"{host} has no address")


def dial_tls(context: ssl.SSLContext, host: str, port: int, timeout: float) -> PatientSocket:
    """`timeout` is for the connection and for the handshake each, which Python bounds as a whole."""
    plain = dial_tcp(host, port, timeout)
    try:
        plain.settimeout(timeout)
        context.sslsocket_class = PatientTls
        secured = context.wrap_socket(plain, server_hostname=host)
    except BaseException:
        plain.close()
        raise
    assert isinstance(secured, PatientTls), "the context was told to make these"
    return secured
