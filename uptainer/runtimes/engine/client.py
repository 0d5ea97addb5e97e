"""The engine's HTTP API as raw JSON: nothing that the engine says is lost on the way, and every failure is ours.

Source: https://docs.docker.com/reference/api/engine/ (1.41 and later).
"""

import errno
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http.client import HTTPException, HTTPResponse
from types import MappingProxyType
from typing import Any, NoReturn
from urllib.parse import urlsplit

from uptainer.core.enums import ConnectionType
from uptainer.core.errors import (
    AccessDeniedError,
    InvalidInputError,
    NotFoundError,
    PermanentError,
    TemporaryError,
    UnreachableError,
    UnsupportedError,
    UptainerError,
)
from uptainer.core.workloads import HostAddress
from uptainer.runtimes.engine.transport import Content, Transport, encode_json, target_of

Json = Mapping[str, Any]
Query = Mapping[str, str]
NOTHING: Query = MappingProxyType({})

OLDEST_API = (1, 41)
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
UPLOAD_TIMEOUT = 3600.0
PIECE = 256 * 1024
_PATH = re.compile(r"/[\w/.:@+-]*", re.ASCII)
_BAD_REQUEST = 400
_SERVER_FAULT = 500


class Engine:
    """One engine over one pool of kept-alive connections, safe to use from several threads."""

    def __init__(self, address: HostAddress) -> None:
        """Reach the engine and agree on the API version: its own newest.

        Raises:
            UnreachableError, AccessDeniedError: nothing answers there, or it does not let us in.
            UnsupportedError: the way of connecting or the engine's version is not one that we speak.
        """
        _refuse_open_network(address)
        self.address = address
        self._transport = Transport(address)
        self._prefix = ""
        try:
            self.version: Json = self.get("/version", about="its version")
            self.api_version = str(self.version["ApiVersion"])
            _refuse_old_engine(self.api_version, address.name)
        except UptainerError:
            self.close()
            raise
        self._prefix = f"/v{self.api_version}"

    def close(self) -> None:
        self._transport.close()

    def get(self, path: str, *, about: str = "", query: Query = NOTHING) -> Any:
        with self.open("GET", path, about=about, query=query) as answer:
            return json.loads(answer.read())

    def post(
        self,
        path: str,
        *,
        body: Json | None = None,
        about: str = "",
        wait: float = 0.0,
        query: Query = NOTHING,
    ) -> Any:
        """`wait` is how many seconds longer than usual the engine may take to answer. None for an empty answer."""
        timeout = self.address.timeout + wait
        with self.open("POST", path, about=about, query=query, body=body, timeout=timeout) as answer:
            content = answer.read()
        return json.loads(content) if content.strip() else None

    def delete(self, path: str, *, about: str = "", query: Query = NOTHING) -> None:
        with self.open("DELETE", path, about=about, query=query) as answer:
            answer.read()

    def head(self, path: str, *, about: str = "", query: Query = NOTHING) -> Mapping[str, str]:
        with self.open("HEAD", path, about=about, query=query) as answer:
            answer.read()
            return dict(answer.headers)

    def upload(self, path: str, content: Iterator[bytes], *, about: str = "", query: Query = NOTHING) -> None:
        """Send a tar in pieces, as they come."""
        with self.open(
            "PUT", path, about=about, query=query, content=content, timeout=UPLOAD_TIMEOUT
        ) as answer:
            answer.read()

    @contextmanager
    def open(
        self,
        method: str,
        path: str,
        *,
        about: str = "",
        body: Json | None = None,
        content: Content = None,
        query: Query = NOTHING,
        headers: Query = NOTHING,
        timeout: float | None = None,
    ) -> Iterator["Answer"]:
        """An answer whose body is still coming; `timeout` is how many seconds it may be silent."""
        about = about or path
        _refuse_odd_path(path)
        sent = {"Content-Type": "application/json"} if body is not None else {}
        sent |= {"Content-Type": "application/x-tar"} if content is not None else {}
        with ExitStack() as opened:
            with self.mapped(about):
                answer = opened.enter_context(
                    self._transport.open(
                        method,
                        target_of(self._prefix + path, query),
                        headers=sent | dict(headers),
                        content=encode_json(body) if body is not None else content,
                        timeout=self.address.timeout if timeout is None else timeout,
                    )
                )
                if answer.status >= _BAD_REQUEST:
                    _raise_refusal(answer, about, self.address.name)
            yield Answer(self, answer, about)

    @contextmanager
    def mapped(self, about: str) -> Iterator[None]:
        """The transport's failures as ours."""
        try:
            yield
        except (HTTPException, OSError) as fault:
            _raise_transport_fault(fault, self.address, about)


class Answer:
    """A body to read from; only the engine's own failures become UnreachableError, not the reader's."""

    def __init__(self, engine: Engine, answer: HTTPResponse, about: str) -> None:
        self._engine = engine
        self._answer = answer
        self._about = about
        self.headers = answer.headers

    def read(self, size: int | None = None) -> bytes:
        with self._engine.mapped(self._about):
            return self._answer.read(size)

    def __iter__(self) -> Iterator[bytes]:
        while piece := self.read(PIECE):
            yield piece


def _refuse_odd_path(path: str) -> None:
    """A name that is no name must not become another request."""
    if not _PATH.fullmatch(path) or ".." in path.split("/"):
        raise InvalidInputError(
            f"{path!r} holds signs that no name of a container, image, network or volume has"
        )


def version_tuple(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def _refuse_old_engine(api_version: str, host: str) -> None:
    if version_tuple(api_version) < OLDEST_API:
        oldest = ".".join(map(str, OLDEST_API))
        raise UnsupportedError(
            f"{host} speaks Docker API {api_version}; Uptainer needs {oldest} or later (Docker Engine 20.10). "
            "Update the engine."
        )


def _refuse_open_network(address: HostAddress) -> None:
    if address.connection is ConnectionType.UNIX:
        return
    if address.connection is not ConnectionType.TCP:
        raise UnsupportedError(
            f"{address.name}: this version reaches Docker by unix socket, or by TCP on this machine only, "
            f"not by {address.connection.value}"
        )
    host = urlsplit(address.url).hostname or ""
    if host not in LOOPBACK:
        raise UnsupportedError(
            f"{address.name}: {address.url} is Docker without encryption on a network, and whoever reaches it "
            "is root there; this version connects by unix socket, or by TCP on this machine only"
        )


def _raise_transport_fault(fault: Exception, address: HostAddress, about: str) -> NoReturn:
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
    raise UnreachableError(
        f"{address.name} did not answer about {about}: {fault or type(fault).__name__}"
    ) from fault


def _raise_refusal(answer: HTTPResponse, about: str, host: str) -> NoReturn:
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
