"""The engine's HTTP API as raw JSON: nothing that the engine says is lost on the way, and every failure is ours.

Source: https://docs.docker.com/reference/api/engine/ (1.41 and later).
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from http.client import HTTPException, HTTPResponse
from types import MappingProxyType
from typing import Any

from uptainer.core.errors import InvalidInputError, UnsupportedError, UptainerError
from uptainer.core.secrets import HostSecret
from uptainer.core.workloads import HostAddress
from uptainer.runtimes.engine.commands import Ran
from uptainer.runtimes.engine.faults import BAD_REQUEST, raise_fault, raise_refusal
from uptainer.runtimes.engine.transport import Content, Transport, encode_json, target_of

Json = Mapping[str, Any]
Query = Mapping[str, str]
NOTHING: Query = MappingProxyType({})

OLDEST_API = (1, 41)
UPLOAD_TIMEOUT = 3600.0
PIECE = 256 * 1024
_PATH = re.compile(r"/[\w/.:@+-]*", re.ASCII)


class Engine:
    """One engine over one pool of kept-alive connections, safe to use from several threads."""

    def __init__(self, address: HostAddress, secret: HostSecret | None = None) -> None:
        """Reach the engine and agree on the API version: its own newest.

        Raises:
            UnreachableError, AccessDeniedError: nothing answers there, or it does not let us in.
            UnsupportedError: the way of connecting or the engine's version is not one that we speak.
            InvalidInputError: the secret is not one for this address.
        """
        self.address = address
        self._transport = Transport(address, secret)
        self._prefix = ""
        try:
            self.version: Json = self.get("/version", about="its version")
            self.api_version, self._prefix = self._agree()
        except UptainerError:
            self.close()
            raise

    def _agree(self) -> tuple[str, str]:
        """The version of the API that both speak, and what its paths begin with."""
        api_version = str(self.version["ApiVersion"])
        _refuse_old_engine(api_version, self.address.name)
        return api_version, f"/v{api_version}"

    @property
    def is_podman(self) -> bool:
        """Podman answers on Docker's API too, and names itself among its components."""
        return any(
            "podman" in str(each.get("Name", "")).lower() for each in self.version.get("Components") or ()
        )

    def close(self) -> None:
        self._transport.close()

    def run(self, command: Sequence[str], *, timeout: float | None = None) -> Ran:
        """Run a command on the engine's machine; see `Transport.run`."""
        return self._transport.run(command, timeout=self.address.timeout if timeout is None else timeout)

    def words(self, command: Sequence[str]) -> list[str]:
        """What to start here so that a command runs there, with its streams; see `Transport.words`."""
        return self._transport.words(command)

    def get(self, path: str, *, about: str = "", query: Query = NOTHING) -> Any:
        with self.open("GET", path, about=about, query=query, whole=True) as answer:
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
        with self.open(
            "POST", path, about=about, query=query, body=body, timeout=timeout, whole=True
        ) as answer:
            content = answer.read()
        return json.loads(content) if content.strip() else None

    def delete(self, path: str, *, about: str = "", query: Query = NOTHING) -> None:
        with self.open("DELETE", path, about=about, query=query, whole=True) as answer:
            answer.read()

    def head(self, path: str, *, about: str = "", query: Query = NOTHING) -> Mapping[str, str]:
        with self.open("HEAD", path, about=about, query=query, whole=True) as answer:
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
        whole: bool = False,
    ) -> Iterator["Answer"]:
        """An answer whose body is still coming.

        `timeout` is how many seconds it may be silent; with `whole`, how many the call may take to the end.
        """
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
                        whole=whole,
                    )
                )
                if answer.status >= BAD_REQUEST:
                    raise_refusal(answer, about, self.address.name)
            yield Answer(self, answer, about)

    @contextmanager
    def mapped(self, about: str) -> Iterator[None]:
        """The transport's failures as ours."""
        try:
            yield
        except (HTTPException, OSError) as fault:
            if explained := self._transport.explain():
                raise explained from fault
            raise_fault(fault, self.address, about)


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
