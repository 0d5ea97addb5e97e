"""HTTP over a Unix socket, TCP, TLS or SSH, with connections kept alive and shared between threads.

Written on the standard library: discovery makes hundreds of small calls, and a general client costs several times
what the engine itself needs to answer them.
"""

import json
import select
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.parse import urlencode, urlsplit

from uptainer.core.enums import ConnectionType
from uptainer.core.errors import InvalidInputError, UnsupportedError, UptainerError
from uptainer.core.secrets import HostSecret, SshSecret, TlsSecret
from uptainer.core.workloads import HostAddress
from uptainer.runtimes.addresses import LOOPBACK, tls_folder
from uptainer.runtimes.engine.commands import Ran, here, run_here
from uptainer.runtimes.engine.sockets import PatientSocket, dial_tcp, dial_tls, dial_unix
from uptainer.runtimes.engine.ssh import SshTunnel
from uptainer.runtimes.engine.tls import client_context, read_folder

Content = bytes | Iterator[bytes] | None
_Dial = Callable[[float], PatientSocket]


class _Connection(HTTPConnection):
    sock: PatientSocket

    def __init__(self, dial: _Dial, host: str, timeout: float) -> None:
        super().__init__(host, timeout=timeout)
        self._dial = partial(dial, timeout)

    def connect(self) -> None:
        self.sock = self._dial()


class Transport:
    """A pool of connections to one address. Raises what the standard library does: OSError and HTTPException.

    What stands before the engine has its own words: SSH and TLS raise ours, see `SshTunnel` and `client_context`.
    """

    def __init__(self, address: HostAddress, secret: HostSecret | None = None) -> None:
        self._address = address
        self._idle: deque[_Connection] = deque()
        self._closed = False
        self._tunnel: SshTunnel | None = None
        self._dial, self._host = self._way(secret)

    def close(self) -> None:
        self._closed = True
        while self._idle:
            self._idle.pop().close()
        if self._tunnel is not None:
            self._tunnel.close()

    def explain(self) -> UptainerError | None:
        """Why a call has just failed, where something between the engine and us knows."""
        return self._tunnel.explain() if self._tunnel is not None else None

    def run(self, command: Sequence[str], *, timeout: float) -> Ran:
        """Run a command on the engine's machine: this one for a Unix socket, by SSH for SSH.

        Raises:
            UnsupportedError: the connection leads to the engine, and not to its machine; or has no such program.
            UnreachableError: it did not end within `timeout` seconds, or the machine is not reached.
        """
        if self._tunnel is not None:
            return self._tunnel.run(command, timeout=timeout)
        if self._address.connection is ConnectionType.UNIX:
            return run_here(command, host=self._address.name, timeout=timeout)
        raise UnsupportedError(
            f"{self._address.name}: {command[0]} can't be run there: {self._address.url} leads to the engine only; "
            "reach it by SSH"
        )

    def words(self, command: Sequence[str]) -> list[str]:
        """What to start here so that `command` runs on the engine's machine with its streams; raises as `run`."""
        if self._tunnel is not None:
            return self._tunnel.words(command, timeout=self._address.timeout)
        if self._address.connection is not ConnectionType.UNIX:
            raise UnsupportedError(f"{self._address.name}: {command[0]} can't be run there")
        return here(command, host=self._address.name)

    @contextmanager
    def open(
        self,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str],
        content: Content = None,
        timeout: float,
        whole: bool = False,
    ) -> Iterator[HTTPResponse]:
        """One request; the connection goes back to the pool when the whole answer was read, and is closed else.

        The head of the answer must be there within `timeout` seconds, with `whole` all of it; else each piece of it.
        """
        begun = time.monotonic()
        connection = self._take(timeout)
        try:
            connection.sock.be_patient(timeout, None)
            chunked = content is not None and not isinstance(content, bytes)
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.request(
                    method, target, body=content, headers=dict(headers), encode_chunked=chunked
                )
            # An engine that refuses a long upload answers before it has read it all: that answer says why.
            patience = connection.sock
            patience.be_patient(timeout, (time.monotonic() if chunked else begun) + timeout)
            answer = connection.getresponse()
            if not whole:
                patience.be_patient(timeout, None)
            yield answer
        except BaseException:
            connection.close()
            raise
        if answer.isclosed() and connection.sock is not None and not self._closed:
            self._idle.append(connection)
        else:
            answer.close()
            connection.close()

    def _take(self, timeout: float) -> _Connection:
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:
                break
            if _is_alive(connection):
                return connection
            connection.close()
        connection = _Connection(self._dial, self._host, timeout)
        connection.connect()
        return connection

    def _way(self, secret: HostSecret | None) -> tuple[_Dial, str]:
        """How to connect, and what the engine is called in requests."""
        parts, kind = urlsplit(self._address.url), self._address.connection
        match kind:
            case ConnectionType.UNIX:
                return partial(dial_unix, parts.path), "localhost"
            case ConnectionType.SSH:
                self._tunnel = SshTunnel(self._address, _fitting(secret, SshSecret, self._address))
                return self._tunnel.dial, "localhost"
            case ConnectionType.TCP:
                return self._over_network(_fitting(secret, TlsSecret, self._address))
            case _:
                raise UnsupportedError(
                    f"{self._address.name}: {self._address.runtime.value} is reached by unix socket, TCP with TLS, "
                    f"or SSH, and not by {kind.value}"
                )

    def _over_network(self, secret: TlsSecret | None) -> tuple[_Dial, str]:
        parts, name = urlsplit(self._address.url), self._address.name
        host, folder = parts.hostname or "", tls_folder(self._address)
        if secret is None and folder is not None:
            secret = read_folder(folder, name)
        if secret is not None:
            return partial(dial_tls, client_context(secret, name), host, parts.port or 2376), parts.netloc
        if host not in LOOPBACK:
            raise UnsupportedError(
                f"{name}: {self._address.url} is an engine without encryption on a network, and whoever reaches it is "
                "root there: have it speak TLS and give its certificates in a block, or reach it by ssh://"
            )
        return partial(dial_tcp, host, parts.port or 2375), parts.netloc


def _fitting(secret: HostSecret | None, kind: type[Any], address: HostAddress) -> Any:
    if secret is None or isinstance(secret, kind):
        return secret
    raise InvalidInputError(
        f"{address.name}: the block {address.block!r} does not hold what {address.url} is reached with"
    )


def target_of(path: str, query: Mapping[str, str]) -> str:
    return f"{path}?{urlencode(query)}" if query else path


def encode_json(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body).encode()


def _is_alive(connection: HTTPConnection) -> bool:
    """An idle connection that is readable has been closed by the other side."""
    readable, _, _ = select.select([connection.sock], [], [], 0)
    return not readable
