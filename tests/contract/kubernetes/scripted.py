"""An API server on loopback that answers as a script says, for what a real one can't be made to do."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from uptainer.core.enums import ConnectionType, RuntimeType
from uptainer.core.secrets import ClusterSecret
from uptainer.core.workloads import HostAddress
from uptainer.runtimes.kubernetes.client import Cluster


@dataclass(frozen=True, slots=True)
class Asked:
    method: str
    path: str
    query: Mapping[str, str]
    token: str
    body: Any = None
    content_type: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """`body` is sent as JSON unless it is bytes; `held` is how long (seconds) the answer is kept back."""

    body: Any = field(default_factory=dict)
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


Script = Callable[[Asked], Said]


class ScriptedApi:
    def __init__(self, script: Script) -> None:
        self.asked: list[Asked] = []
        self.let_go = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self, script))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def hang(self) -> Said:
        """Say nothing until the test is over."""
        self.let_go.wait(60)
        return Said()

    def paths(self) -> list[str]:
        return [each.path for each in self.asked if each.path != "/version"]

    def close(self) -> None:
        self.let_go.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


def refusal(code: int, reason: str, message: str, **details: Any) -> Said:
    status = {"kind": "Status", "code": code, "reason": reason, "message": message, "details": details}
    return Said(status, code)


@contextmanager
def cluster_of(
    script: Script, *, timeout: float = 60.0, page: int = 250
) -> Iterator[tuple[ScriptedApi, Cluster]]:
    """The client of a server that answers `/version` by itself, and all the rest by the script."""
    api = ScriptedApi(
        lambda asked: Said({"gitVersion": "v1.20.2"}) if asked.path == "/version" else script(asked)
    )
    try:
        with closing_cluster(api.url, timeout=timeout, page=page) as cluster:
            yield api, cluster
    finally:
        api.close()


@contextmanager
def closing_cluster(url: str, *, timeout: float = 60.0, page: int = 250) -> Iterator[Cluster]:
    cluster = Cluster(address_of(url, timeout=timeout), ClusterSecret(token="secret"), page=page)
    try:
        yield cluster
    finally:
        cluster.close()


def address_of(url: str, *, timeout: float = 60.0) -> HostAddress:
    return HostAddress("kube", RuntimeType.KUBERNETES, ConnectionType.TOKEN, url, timeout=timeout)


def _handler(api: ScriptedApi, script: Script) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("content-length") or 0)
            asked = Asked(
                self.command,
                parts.path,
                dict(parse_qsl(parts.query)),
                self.headers.get("authorization", ""),
                json.loads(self.rfile.read(length)) if length else None,
                self.headers.get("content-type", ""),
            )
            api.asked.append(asked)
            said = script(asked)
            content = said.body if isinstance(said.body, bytes) else json.dumps(said.body).encode()
            self.send_response(said.status)
            for name, value in said.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815 -- http.server's names

        def log_message(self, *_: Any) -> None:
            """The test says what matters."""

    return Handler
