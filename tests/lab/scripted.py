"""An HTTP server on loopback whose answers a test writes: for what no well-behaved server would say."""

import hashlib
import ssl
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

POLL = 0.02


@dataclass(frozen=True, slots=True)
class Asked:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """`pieces` are sent one by one, without a length; with None in place of a piece the server falls silent."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    pieces: Iterator[bytes | None] | None = None


def serving(*manifests: bytes) -> Callable[[Asked], Answer]:
    """A registry that has these in each of its repositories."""
    by_digest = {f"sha256:{hashlib.sha256(each).hexdigest()}": each for each in manifests}

    def answer(asked: Asked) -> Answer:
        _, is_manifest, name = asked.path.rpartition("/manifests/")
        body = by_digest.get(name) if is_manifest else b""
        return Answer(404) if body is None else Answer(body=body)

    return answer


class ScriptedServer:
    """Keeps what it was asked. `script` is called for every request, from the server's own threads.

    A client that breaks off the TLS handshake is no fault of the test's, and is not printed.
    """

    def __init__(self, script: Callable[[Asked], Answer], *, tls: ssl.SSLContext | None = None) -> None:
        self.script = script
        self.asked: list[Asked] = []
        self._closing = threading.Event()
        self._server = _Server(self._answer, self._closing)
        self.host = f"localhost:{self._server.server_port}"
        self.url = f"{'https' if tls else 'http'}://{self.host}"
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(POLL,), daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)

    def _answer(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        return self.script(asked)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, answer: Callable[[Asked], Answer], closing: threading.Event) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.closing = closing

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # -- handed through as it came


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        said = self.server.answer(Asked(self.command, self.path, dict(self.headers), body))
        self.send_response(said.status)
        for name, value in said.headers.items():
            self.send_header(name, value)
        if said.pieces is None:
            self.send_header("Content-Length", str(len(said.body)))
        self.close_connection = said.pieces is not None
        self.end_headers()
        if self.command != "HEAD":
            self._write(said)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        self.do_GET()

    def do_PATCH(self) -> None:
        self.do_GET()

    def do_DELETE(self) -> None:
        self.do_GET()

    def _write(self, said: Answer) -> None:
        try:
            self.wfile.write(said.body)
            for piece in said.pieces or ():
                if piece is None:
                    self.server.closing.wait()
                    return
                self.wfile.write(piece)
        except OSError:
            self.close_connection = True  # the client had enough, which is what most scripts are for

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- http.server's own name
        """Requests are kept, not printed."""
