"""A loopback server that answers as a language model's would, from a script.

It speaks the OpenAI chat API, Anthropic's messages API (also streamed) and Ollama's own, told apart by the path.

Source: https://platform.openai.com/docs/api-reference/chat, https://docs.anthropic.com/en/api/messages,
https://github.com/ollama/ollama/blob/main/docs/api.md.
"""

import json
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Json = dict[str, Any]


POLL = 0.02
"""Seconds; how soon the server sees that it is to close."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A mapping is sent as JSON (as a tool's input, where the request offers one); text is sent as it is.

    `status` other than 200 sends an error with `content` as its message. `delay` is in seconds. `metered`: the answer
    says how many tokens it took.
    """

    content: Mapping[str, Any] | str
    status: int = 200
    delay: float = 0.0
    headers: Mapping[str, str] = field(default_factory=dict)
    metered: bool = True

    @property
    def text(self) -> str:
        return self.content if isinstance(self.content, str) else json.dumps(self.content)


@dataclass(frozen=True, slots=True)
class Asked:
    """`key` is the API key, however it was sent."""

    path: str
    body: Json
    key: str | None


class LanguageModelServer:
    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self._scripts: list[list[Reply]] = []
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(POLL,), name="language-model", daemon=True
        )
        self._thread.start()

    def script(self, *replies: Reply) -> str:
        """A base URL (without `/v1`) that gives these replies in order, the last one again and again."""
        if not replies:
            raise ValueError("a script has at least one reply")
        with self._lock:
            self._scripts.append(list(replies))
            return f"{self.url}/script-{len(self._scripts) - 1}"

    def next_reply(self, path: str, body: Json, key: str | None) -> Reply:
        number = int(path.split("/")[1].removeprefix("script-"))
        with self._lock:
            self.asked.append(Asked(path, body, key))
            replies = self._scripts[number]
            reply = replies.pop(0) if len(replies) > 1 else replies[0]
        self._closing.wait(reply.delay)
        return reply

    def close(self) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)


def _handler(model: LanguageModelServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            bearer = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
            reply = model.next_reply(self.path, body, self.headers.get("x-api-key") or bearer or None)
            if reply.status != 200:
                error = {"error": {"message": reply.text, "type": "error"}}
                self._send(reply.status, json.dumps(error), "application/json", reply.headers)
                return
            content_type, text = _render(self.path, body, reply)
            self._send(200, text, content_type, reply.headers)

        def _send(self, status: int, text: str, content_type: str, headers: Mapping[str, str]) -> None:
            raw = text.encode()
            all_headers = {"Content-Type": content_type, "Content-Length": str(len(raw)), **headers}
            with suppress(OSError):  # the client gave up first
                self.send_response(status)
                for name, value in all_headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(raw)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- http.server's own name
            """Requests are kept in `asked`, not printed."""

    return Handler


def _render(path: str, body: Json, reply: Reply) -> tuple[str, str]:
    """The content type and the body of an answer, in the words of the API that was asked."""
    endpoints: dict[str, Callable[[Json, Reply], Json]] = {
        "/chat/completions": _openai,
        "/messages": _anthropic,
        "/api/chat": _ollama,
        "/api/generate": _ollama,
    }
    plain = path.partition("?")[0]
    build = next(function for end, function in endpoints.items() if plain.endswith(end))
    if build is _anthropic and body.get("stream"):
        return "text/event-stream", _anthropic_events(_anthropic(body, reply))
    return "application/json", json.dumps(build(body, reply))


_USAGE = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}


def _openai(body: Json, reply: Reply) -> Json:
    message: Json = {"role": "assistant", "content": reply.text}
    if body.get("tools") and not isinstance(reply.content, str):
        call = {"name": body["tools"][0]["function"]["name"], "arguments": reply.text}
        message |= {"content": None, "tool_calls": [{"id": "call-1", "type": "function", "function": call}]}
    reason = "tool_calls" if "tool_calls" in message else "stop"
    return {
        "id": "chat-1",
        "object": "chat.completion",
        "created": 1,
        "model": body["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": reason}],
        **({"usage": _USAGE} if reply.metered else {}),
    }


def _anthropic(body: Json, reply: Reply) -> Json:
    block: Json = {"type": "text", "text": reply.text}
    if body.get("tools") and not isinstance(reply.content, str):
        name = body["tools"][0]["name"]
        block = {"type": "tool_use", "id": "tool-1", "name": name, "input": dict(reply.content)}
    return {
        "id": "message-1",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": [block],
        "stop_reason": "tool_use" if block["type"] == "tool_use" else "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 100, "output_tokens": 20},
    }


def _ollama(body: Json, reply: Reply) -> Json:
    answer = {
        "model": body["model"],
        "created_at": "2026-01-01T00:00:00Z",
        "done": True,
        "done_reason": "stop",
    }
    if "messages" in body:
        return {**answer, "message": {"role": "assistant", "content": reply.text}}
    return {**answer, "response": reply.text}


def _anthropic_events(message: Json) -> str:
    """The same answer as server-sent events, which Anthropic's client asks for when it expects a long one."""
    block = message["content"][0]
    if block["type"] == "tool_use":
        start: Json = {**block, "input": {}}
        delta: Json = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
    else:
        start, delta = {"type": "text", "text": ""}, {"type": "text_delta", "text": block["text"]}
    ended = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    events: list[Json] = [
        {"type": "message_start", "message": {**message, "content": [], "stop_reason": None}},
        {"type": "content_block_start", "index": 0, "content_block": start},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": ended, "usage": {"output_tokens": 20}},
        {"type": "message_stop"},
    ]
    return "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
