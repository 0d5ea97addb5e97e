"""A real registry (Debian's docker-registry) on a free loopback port: open, with basic auth, or with bearer tokens."""

import json
import re
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import httpx
from cryptography.hazmat.primitives.serialization import Encoding

from tests.lab.docker import require_programs
from tests.lab.room import Room, accepts_connections, free_port, start_process, stop_process, wait_until
from tests.lab.tokens import ISSUER, SERVICE, TokenServer

Auth = Literal["none", "basic", "token"]

USER = "lab-user"
PASSWORD = "lab-password"
_HTPASSWD = f"{USER}:$2b$04$/Qhu16ISv53t0fX5/i8YLedvz8MGiHfnb.zeJSnG/xGFddg8l3BR.\n"
"""The registry reads bcrypt only, and the standard library writes none: this is PASSWORD's, made once."""

_ACCESS_LINE = re.compile(
    r'^\S+ - \S* ?\[[^\]]*\] "(?P<method>[A-Z]+) (?P<path>\S+) [^"]*" (?P<status>\d+) .*?"(?P<agent>[^"]*)"$'
)


@dataclass(frozen=True, slots=True)
class Request:
    """One line of the registry's access log; `path` has its query."""

    method: str
    path: str
    status: int
    user_agent: str


class Registry:
    """One registry process. `host` is how image references name it; Docker takes `localhost` for insecure by itself.

    `told` is the address that is told of pushes, with the secret that this is proved by.
    """

    def __init__(self, room: Room, *, auth: Auth = "none", told: tuple[str, str] | None = None) -> None:
        require_programs({"docker-registry": "docker-registry"})
        self.directory = room.directory("registry")
        self.auth = auth
        self._told = told
        self.tokens = TokenServer(USER, PASSWORD) if auth == "token" else None
        self.port = free_port()
        self.host = f"localhost:{self.port}"
        self.url = f"http://{self.host}"
        self.credentials = None if auth == "none" else (USER, PASSWORD)
        self._log = self.directory / "access.log"
        self._counted_from = 0
        self._process = start_process(["docker-registry", "serve", str(self._write_config())], log=self._log)
        try:
            wait_until(lambda: accepts_connections(self.port), what="the registry did not answer")
        except TimeoutError:
            self.close()
            raise

    def reference(self, name: str) -> str:
        """`app:1.0.0` as an engine is told it: `localhost:PORT/app:1.0.0`."""
        return f"{self.host}/{name}"

    def requests(self) -> list[Request]:
        """What was asked since the start or the last `forget_requests`, oldest first."""
        text = self._log_up_to_now()[self._counted_from :]
        found = (_ACCESS_LINE.match(line) for line in text.splitlines())
        all_requests = [
            Request(match["method"], match["path"], int(match["status"]), match["agent"])
            for match in found
            if match
        ]
        return [request for request in all_requests if "lab-marker" not in request.path]

    def forget_requests(self) -> None:
        self._counted_from = len(self._log_up_to_now())

    def close(self) -> None:
        stop_process(self._process)
        if self.tokens is not None:
            self.tokens.close()

    def _log_up_to_now(self) -> str:
        """A line is written just after its answer: a request of our own, seen in the log, says the rest is there."""
        marker = f"/v2/?lab-marker={uuid.uuid4().hex}"
        httpx.get(f"{self.url}{marker}", timeout=60)
        wait_until(lambda: marker in self._log.read_text(), what="the registry did not log a request")
        return self._log.read_text()

    def _write_config(self) -> Path:
        """JSON is YAML."""
        config: dict[str, Any] = {
            "version": "0.1",
            "log": {"level": "error", "accesslog": {"disabled": False}},
            "storage": {
                "filesystem": {"rootdirectory": str(self.directory / "data")},
                "delete": {"enabled": True},
                "maintenance": {"uploadpurging": {"enabled": False}},
            },
            "http": {"addr": f"127.0.0.1:{self.port}", "secret": "lab"},
        }
        if self.auth != "none":
            config["auth"] = self._auth_config()
        if self._told is not None:
            url, secret = self._told
            endpoint = {"name": "told", "url": url, "headers": {"Authorization": [f"Bearer {secret}"]}}
            rest = {"timeout": "60s", "threshold": 5, "backoff": "1s", "ignore": {"actions": ["pull"]}}
            config["notifications"] = {"endpoints": [{**endpoint, **rest}]}
        path = self.directory / "config.yml"
        path.write_text(json.dumps(config))
        return path

    def _auth_config(self) -> dict[str, Any]:
        if self.tokens is None:
            passwords = self.directory / "htpasswd"
            passwords.write_text(_HTPASSWD)
            return {"htpasswd": {"realm": "lab", "path": str(passwords)}}
        bundle = self.directory / "issuer.pem"
        bundle.write_bytes(self.tokens.certificate.public_bytes(Encoding.PEM))
        realm = self.tokens.realm
        return {
            "token": {"realm": realm, "service": SERVICE, "issuer": ISSUER, "rootcertbundle": str(bundle)}
        }
