"""The engine's HTTP API as raw JSON: nothing that the engine says is lost on the way, and every failure is ours.

Source: https://docs.docker.com/reference/api/engine/ (1.41 and later).
"""

import errno
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from types import MappingProxyType
from typing import Any, NoReturn, cast
from urllib.parse import urlsplit

import docker
import requests
from docker.errors import DockerException
from urllib3.exceptions import HTTPError as TransportError

from uptainer.core.enums import ConnectionType
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

Json = Mapping[str, Any]
Query = Mapping[str, str]

NOTHING: Query = MappingProxyType({})
OLDEST_API = (1, 41)
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
UPLOAD_TIMEOUT = 3600.0
_SERVER_FAULT = 500


class Engine:
    """One engine over one pool of kept-alive connections, safe to use from several threads."""

    def __init__(self, address: HostAddress, *, connections: int = 8) -> None:
        """Reach the engine and agree on the API version.

        Raises:
            UnreachableError, AccessDeniedError: nothing answers there, or it does not let us in.
            UnsupportedError: the way of connecting or the engine's version is not one that we speak.
        """
        _refuse_open_network(address)
        self.address = address
        with _mapped(address, "the engine"):
            self.client = docker.APIClient(
                base_url=address.url, version="auto", timeout=int(address.timeout), max_pool_size=connections
            )
        self.client.trust_env = False
        self.api_version = str(self.client.api_version)
        if version_tuple(self.api_version) < OLDEST_API:
            oldest = ".".join(map(str, OLDEST_API))
            raise UnsupportedError(
                f"{address.name} speaks Docker API {self.api_version}; Uptainer needs {oldest} or later "
                "(Docker Engine 20.10). Update the engine."
            )

    def close(self) -> None:
        self.client.close()

    def get(self, path: str, *, about: str = "", query: Query = NOTHING) -> Any:
        return self._call("GET", path, query=query, about=about).json()

    def post(
        self,
        path: str,
        *,
        body: Json | None = None,
        about: str = "",
        wait: float = 0.0,
        query: Query = NOTHING,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """`wait` is how many seconds longer than usual the engine may take to answer. None for an empty answer."""
        timeout = self.address.timeout + wait
        answer = self._call(
            "POST", path, query=query, body=body, about=about, headers=headers, timeout=timeout
        )
        return answer.json() if answer.content else None

    def delete(self, path: str, *, about: str = "", query: Query = NOTHING) -> None:
        self._call("DELETE", path, query=query, about=about)

    def head(self, path: str, *, about: str = "", query: Query = NOTHING) -> Mapping[str, str]:
        return cast(Mapping[str, str], self._call("HEAD", path, query=query, about=about).headers)

    @contextmanager
    def open(
        self,
        method: str,
        path: str,
        *,
        about: str = "",
        body: Json | None = None,
        query: Query = NOTHING,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Iterator[requests.Response]:
        """An answer whose body is still coming; `timeout` is how many seconds it may be silent."""
        answer = self._call(
            method,
            path,
            query=query,
            body=body,
            about=about,
            headers=headers,
            timeout=timeout,
            streamed=True,
        )
        with closing(answer), _mapped(self.address, about):
            yield answer

    def upload(self, path: str, content: Iterator[bytes], *, about: str = "", query: Query = NOTHING) -> None:
        """Send a body in pieces, as they come."""
        self._call("PUT", path, query=query, data=content, about=about, timeout=UPLOAD_TIMEOUT)

    def _call(
        self,
        method: str,
        path: str,
        *,
        query: Query = NOTHING,
        body: Json | None = None,
        data: Iterator[bytes] | None = None,
        about: str = "",
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        streamed: bool = False,
    ) -> requests.Response:
        with _mapped(self.address, about or path):
            answer = self.client.request(
                method,
                f"{self.client.base_url}/v{self.api_version}{path}",
                params=dict(query),
                json=body,
                data=data,
                headers=dict(headers or {}),
                timeout=timeout if timeout is not None else self.address.timeout,
                stream=streamed,
            )
        if not answer.ok:
            with closing(answer):
                _raise_refusal(answer, about or path, self.address.name)
        return answer


def version_tuple(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


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


@contextmanager
def _mapped(address: HostAddress, about: str) -> Iterator[None]:
    """The transport's failures as ours."""
    try:
        yield
    except (requests.RequestException, TransportError, DockerException, OSError) as fault:
        _raise_transport_fault(fault, address, about)


def _raise_transport_fault(fault: Exception, address: HostAddress, about: str) -> NoReturn:
    cause = _operating_system_fault(fault)
    number = cause.errno if cause else None
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
    raise UnreachableError(f"{address.name} did not answer about {about}: {fault}") from fault


def _operating_system_fault(fault: BaseException) -> OSError | None:
    """The OSError with a number at the bottom of what requests and urllib3 wrapped around it."""
    seen: set[int] = set()
    todo: list[object] = [fault]
    while todo:
        each = todo.pop()
        if id(each) in seen or not isinstance(each, BaseException):
            continue
        seen.add(id(each))
        if isinstance(each, OSError) and isinstance(each.errno, int):
            return each
        todo += [each.__cause__, each.__context__, *each.args]
    return None


def _raise_refusal(answer: requests.Response, about: str, host: str) -> NoReturn:
    try:
        said = str(answer.json().get("message", "")) or answer.text
    except ValueError:
        said = answer.text
    message = f"{host}, {about}: {said.strip() or answer.reason}"
    match answer.status_code:
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
