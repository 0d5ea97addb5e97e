"""Where notices arrive: a real SMTP server and a real webhook, on loopback, that refuse as long as they are told to."""

import json
import threading
from dataclasses import dataclass
from email import message_from_bytes
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.lab.room import free_port
from uptainer.notices.channel import MARK

PATIENCE = "cto=60&rto=60"
"""So many seconds Apprise waits for a sink on a busy machine, where it would give up after 4 and send again."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message as its recipient has it."""

    title: str
    body: str
    mark: str
    kind: str = ""


class Sink:
    """`refusals` are still to be given; `tries` counts all that came, and `arrived` has those that were taken.

    `refusal` is what it answers then: by itself, that it may be tried later.
    """

    refusal = 0
    url: str

    def __init__(self) -> None:
        self.refusals = 0
        self.tries = 0
        self.arrived: list[Arrived] = []

    def takes(self) -> bool:
        self.tries += 1
        if self.refusals:
            self.refusals -= 1
            return False
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Refuse everything from now on."""


class MailSink(Sink):
    """`url` is its mailbox in Apprise's words; a refusal is 451, as of a server that is greylisting."""

    refusal = 451

    def __init__(self) -> None:
        super().__init__()
        port = free_port()
        self._controller = Controller(_Mailbox(self), hostname="127.0.0.1", port=port, ready_timeout=120)
        self._controller.start()
        self.url = (
            f"mailto://127.0.0.1:{port}?from=uptainer@example.org&to=ops@example.org&mode=insecure&{PATIENCE}"
        )

    def close(self) -> None:
        self._controller.stop()


class _Mailbox:
    def __init__(self, sink: MailSink) -> None:
        self._sink = sink

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 -- aiosmtpd's name
        if not self._sink.takes():
            return f"{self._sink.refusal} not taken"
        mail = message_from_bytes(envelope.original_content or b"", policy=default)
        content = mail.get_body(("plain",))
        assert content
        self._sink.arrived.append(
            Arrived(str(mail["Subject"]), content.get_content().strip(), str(mail[MARK]))
        )
        return "250 OK"


class WebhookSink(Sink):
    """`url` is its address in Apprise's words, with a key in it; a refusal is 503."""

    KEY = "keepthissecret"
    refusal = 503

    def __init__(self) -> None:
        super().__init__()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.url = f"json://ada:{self.KEY}@127.0.0.1:{self._server.server_port}/hook?{PATIENCE}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)


def _handler(sink: WebhookSink) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            taken = sink.takes()
            if taken:
                mark = str(self.headers[MARK])
                sink.arrived.append(Arrived(body["title"], body["message"], mark, body["type"]))
            self.send_response(200 if taken else sink.refusal)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- http.server's own name
            """What came is kept in `arrived`, not printed."""

    return Handler
