"""A loopback server that speaks the part of GitHub's, GitLab's or Gitea's API that lists releases.

Sources: https://docs.github.com/en/rest/releases/releases#list-releases, https://docs.gitlab.com/api/releases/,
https://docs.gitea.com/api/.
"""

import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Answer = tuple[int, Mapping[str, str], bytes]


class ReleaseServer:
    """Answers by what `answer` makes of path and query; keeps what it was asked.

    An answer with an ETag is not sent again to somebody who has it.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[str, str | None]] = []
        self.statuses: list[int] = []
        self.answer: Callable[[str, Mapping[str, list[str]]], Answer] = lambda path, query: releases([])
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append((self.path, self.headers.get("Authorization")))
                parts = urlsplit(self.path)
                status, headers, body = outer.answer(parts.path, parse_qs(parts.query))
                if headers.get("ETag") and headers["ETag"] == self.headers.get("If-None-Match"):
                    status, body = 304, b""
                outer.statuses.append(status)
                self.send_response_only(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- http.server's own name
                """Requests are kept in `asked`."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)


def releases(tags: list[str], **fields: Any) -> Answer:
    """A page as GitHub and Gitea write it."""
    page = [{"tag_name": tag, "name": f"Release {tag}", "body": f"notes of {tag}", **fields} for tag in tags]
    return 200, {"Content-Type": "application/json"}, json.dumps(page).encode()


def gitlab_releases(tags: list[str], **fields: Any) -> Answer:
    """A page as GitLab writes it."""
    page = [{"tag_name": tag, "name": tag, "description": f"notes of {tag}", **fields} for tag in tags]
    return 200, {"Content-Type": "application/json", "x-gitlab-meta": "{}"}, json.dumps(page).encode()
