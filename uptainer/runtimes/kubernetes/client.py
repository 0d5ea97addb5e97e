"""One cluster's HTTP API as raw JSON: nothing that the API server says is lost on the way, and every failure is ours.

Source: https://kubernetes.io/docs/reference/using-api/api-concepts/
"""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode

from uptainer.core.errors import ProtocolError, UnreachableError, UptainerError
from uptainer.core.secrets import HostSecret
from uptainer.core.workloads import HostAddress
from uptainer.runtimes.kubernetes.connection import Connection
from uptainer.runtimes.kubernetes.faults import ExpiredError, refuse, transport_faults
from uptainer.runtimes.kubernetes.resources import Resource

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

Json = Mapping[str, Any]
Query = Mapping[str, str]
NOTHING: Query = MappingProxyType({})
Kept = TypeVar("Kept")

PAGE = 250
"""Objects in one answer to a list: a pod is about 10 KB of JSON."""
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
_UNAUTHORIZED = 401
_OK = range(200, 300)
_PATIENCE = 2.0
_PIECE = 64 * 1024


class Cluster:
    """One API server over a few kept-alive connections, safe to use from several threads.

    Each call may keep us waiting for the address's timeout, to connect and again to answer, and for twice as long until
    the answer is complete. It is made once; only a question whose kept-alive connection was closed by the other side meanwhile is asked again at once.
    """

    def __init__(self, address: HostAddress, secret: HostSecret | None = None, *, page: int = PAGE) -> None:
        """Reach the cluster and ask its version.

        Raises:
            UnreachableError, AccessDeniedError: nothing answers there, or it does not let us in.
            InvalidInputError, RefusedError, UnsupportedError: see `Connection`.
        """
        from kubernetes.client.rest import RESTClientObject  # noqa: PLC0415 -- it takes a second to import

        self.address = address
        self.connection = Connection(address, secret)
        self._page = page
        self._served: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._rest = RESTClientObject(self.connection.configuration)
        try:
            self.version: Json = self.get("/version")
        except UptainerError:
            self.close()
            raise

    def close(self) -> None:
        self._rest.close()
        self.connection.close()

    def get(self, path: str, *, query: Query = NOTHING) -> Any:
        return self._json("GET", path, query=query)

    def post(self, path: str, body: Json, *, query: Query = NOTHING) -> Any:
        return self._json("POST", path, query=query, body=body)

    def patch(self, path: str, body: Json, *, kind: str = MERGE, query: Query = NOTHING) -> Any:
        """`kind` is MERGE or STRATEGIC."""
        return self._json("PATCH", path, query=query, body=body, content_type=kind)

    def delete(self, path: str, *, body: Json | None = None, query: Query = NOTHING) -> Any:
        """`body` are DeleteOptions: propagation, preconditions, grace period."""
        return self._json("DELETE", path, query=query, body=body)

    def items(self, path: str, *, query: Query = NOTHING) -> list[Json]:
        """Every object, however many pages they come in."""
        return self.collect(path, lambda item: item, query=query)

    def collect(
        self, path: str, keep: Callable[[Json], Kept | None], *, query: Query = NOTHING
    ) -> list[Kept]:
        """What `keep` makes of every object, without what it returns None for; a page is in memory at a time.

        A list whose next page is not kept any more is begun again, and then in one piece, which can't grow old.
        """
        try:
            return self._collect(path, keep, {**query, "limit": str(self._page)})
        except ExpiredError:
            return self._collect(path, keep, query)

    def text(self, path: str, *, query: Query = NOTHING) -> Iterator[bytes]:
        """An answer that is no JSON, in pieces, as they come."""
        with self._open("GET", path, query, None, None) as answer, transport_faults(self.address, path):
            yield from answer.stream(_PIECE)

    def groups(self) -> Mapping[str, tuple[str, ...]]:
        """The versions of each API group that the server has, the one that it prefers first."""
        groups = self._ask_once("/apis")["groups"]
        return {
            group["name"]: tuple(
                dict.fromkeys(
                    [group["preferredVersion"]["version"], *(each["version"] for each in group["versions"])]
                )
            )
            for group in groups
        }

    def served(self, group: str, plural: str, versions: Sequence[str]) -> Resource | None:
        """The first of these versions in which the server has the resource; None where it has none of them."""
        there = self.groups().get(group, ())
        for version in versions:
            if version in there:
                listed = self._ask_once(f"/apis/{group}/{version}")["resources"]
                if any(each["name"] == plural for each in listed):
                    return Resource(group, version, plural)
        return None

    def _ask_once(self, path: str) -> Any:
        with self._lock:
            if path not in self._served:
                self._served[path] = self.get(path)
            return self._served[path]

    def _collect(self, path: str, keep: Callable[[Json], Kept | None], query: Query) -> list[Kept]:
        kept: list[Kept] = []
        asked = dict(query)
        while True:
            answer = self.get(path, query=asked)
            if not isinstance(answer.get("items"), list):
                raise ProtocolError(f"{self.address.name}, {path}: the answer is no list")
            kept += [each for each in map(keep, answer["items"]) if each is not None]
            following = (answer.get("metadata") or {}).get("continue")
            if not following:
                return kept
            asked["continue"] = following

    def _json(
        self,
        method: str,
        path: str,
        *,
        query: Query,
        body: Any = None,
        content_type: str = "application/json",
    ) -> Any:
        content = None if body is None else json.dumps(body).encode()
        with (
            self._open(method, path, query, content, content_type) as answer,
            transport_faults(self.address, path),
        ):
            said = self._read(answer, path)
        try:
            return json.loads(said)
        except ValueError:
            raise ProtocolError(f"{self.address.name}, {path}: the answer is not JSON") from None

    def _read(self, answer: "BaseHTTPResponse", path: str) -> bytes:
        """All of it; a server that keeps sending a little is not waited for without end."""
        limit = _PATIENCE * self.address.timeout
        deadline = time.monotonic() + limit
        pieces: list[bytes] = []
        while piece := answer.read1(_PIECE):
            pieces.append(piece)
            if time.monotonic() > deadline:
                raise UnreachableError(
                    f"{self.address.name} had not finished its answer about {path} after {limit:g} s"
                )
        return b"".join(pieces)

    @contextmanager
    def _open(
        self, method: str, path: str, query: Query, content: bytes | None, content_type: str | None
    ) -> Iterator["BaseHTTPResponse"]:
        """An answer that is not a refusal, its body still coming."""
        target = path + (f"?{urlencode(query)}" if query else "")
        answer = self._send(method, target, content, content_type)
        if answer.status == _UNAUTHORIZED and self.connection.renew():
            answer.drain_conn()
            answer.release_conn()
            answer = self._send(method, target, content, content_type)
        try:
            if answer.status not in _OK:
                with transport_faults(self.address, path):
                    said = self._read(answer, path)
                refuse(self.address.name, f"{method} {path}", answer.status, said, answer.headers)
            yield answer
        finally:
            # A connection whose answer was not read to its end can't be used again; one that was is back in the pool.
            answer.close()

    def _send(
        self, method: str, target: str, content: bytes | None, content_type: str | None
    ) -> "BaseHTTPResponse":
        from urllib3 import Timeout  # noqa: PLC0415 -- it comes with what takes a second to import
        from urllib3.exceptions import ProtocolError as ClosedError  # noqa: PLC0415 -- the same

        headers = {"accept": "application/json, */*", "user-agent": "uptainer", **self.connection.headers()}
        if content is not None and content_type is not None:
            headers["content-type"] = content_type
        seconds = self.address.timeout

        def ask() -> "BaseHTTPResponse":
            return self._rest.pool_manager.request(
                method,
                self.connection.url + target,
                body=content,
                headers=headers,
                timeout=Timeout(connect=seconds, read=seconds),
                retries=False,
                redirect=False,
                preload_content=False,
            )

        with transport_faults(self.address, target.partition("?")[0]):
            try:
                return ask()
            except ClosedError:
                if method != "GET":
                    raise
                return ask()
