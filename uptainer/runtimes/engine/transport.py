"""HTTP over a Unix socket or loopback TCP, with connections kept alive and shared between threads.

Written on the standard library: discovery makes hundreds of small calls, and a general client costs several times
what the engine itself needs to answer them.
"""

import json
import select
import socket
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.parse import urlencode, urlsplit

from uptainer.core.enums import ConnectionType
from uptainer.core.workloads import HostAddress

Content = bytes | Iterator[bytes] | None


class _UnixConnection(HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.sock.settimeout(self.timeout)
            self.sock.connect(self._path)
        except OSError:
            self.close()
            raise


class Transport:
    """A pool of connections to one address. Raises what the standard library does: OSError and HTTPException."""

    def __init__(self, address: HostAddress) -> None:
        self._address = address
        self._idle: deque[HTTPConnection] = deque()
        self._closed = False

    def close(self) -> None:
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    @contextmanager
    def open(
        self,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str],
        content: Content = None,
        timeout: float,
    ) -> Iterator[HTTPResponse]:
        """One request; the connection goes back to the pool when the whole answer was read, and is closed else."""
        connection = self._take(timeout)
        try:
            chunked = content is not None and not isinstance(content, bytes)
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.request(
                    method, target, body=content, headers=dict(headers), encode_chunked=chunked
                )
            # An engine that refuses a long upload answers before it has read it all: that answer says why.
            answer = connection.getresponse()
            yield answer
        except BaseException:
            connection.close()
            raise
        if answer.isclosed() and connection.sock is not None and not self._closed:
            self._idle.append(connection)
        else:
            answer.close()
            connection.close()

    def _take(self, timeout: float) -> HTTPConnection:
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:
                break
            if _is_alive(connection):
                connection.timeout = timeout
                connection.sock.settimeout(timeout)
                return connection
            connection.close()
        return self._connect(timeout)

    def _connect(self, timeout: float) -> HTTPConnection:
        parts = urlsplit(self._address.url)
        if self._address.connection is ConnectionType.UNIX:
            return _UnixConnection(parts.path, timeout)
        return HTTPConnection(parts.hostname or "localhost", parts.port or 2375, timeout=timeout)


def target_of(path: str, query: Mapping[str, str]) -> str:
    return f"{path}?{urlencode(query)}" if query else path


def encode_json(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body).encode()


def _is_alive(connection: HTTPConnection) -> bool:
    """An idle connection that is readable has been closed by the other side."""
    readable, _, _ = select.select([connection.sock], [], [], 0)
    return not readable
