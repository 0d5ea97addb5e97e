"""A token server, as the registry's bearer authentication asks for one.

Source: https://distribution.github.io/distribution/spec/auth/token/ and .../spec/auth/jwt/.
"""

import base64
import json
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

ISSUER = "uptainer-lab"
SERVICE = "lab-registry"
PUBLIC_PREFIX = "public/"
"""What lies under this may be pulled without a name; everything else wants the user."""


POLL = 0.02
"""Seconds; how soon the server sees that it is to close."""


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """`user` is None where the client asked as nobody."""

    user: str | None
    scopes: tuple[str, ...]
    status: int


class TokenServer:
    """Serves `GET /token` on loopback and signs what the registry then trusts by `certificate`.

    `lifetime` (seconds) may be changed while it runs. As the specification has it, a scope that is not granted is
    left out of the token rather than refused; only a wrong password is.
    """

    def __init__(self, user: str, password: str, *, lifetime: int = 300) -> None:
        self.user, self.password, self.lifetime = user, password, lifetime
        self.requests: list[TokenRequest] = []
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.certificate = _self_signed(self._key)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self.answer))
        self._server.daemon_threads = True
        self.realm = f"http://127.0.0.1:{self._server.server_port}/token"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(POLL,), name="token-server", daemon=True
        )
        self._thread.start()

    def answer(self, query: str, authorization: str | None) -> tuple[int, dict[str, Any]]:
        scopes = tuple(scope for line in parse_qs(query).get("scope", []) for scope in line.split())
        user, password = _credentials(authorization)
        allowed = user is None or (user, password) == (self.user, self.password)
        self.requests.append(TokenRequest(user, scopes, 200 if allowed else 401))
        if not allowed:
            return 401, {"errors": [{"code": "UNAUTHORIZED", "message": "wrong name or password"}]}
        access = [granted for scope in scopes if (granted := _grant(scope, named=user is not None))]
        token = self._sign(user or "", access)
        return 200, {"token": token, "access_token": token, "expires_in": self.lifetime}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)

    def _sign(self, subject: str, access: list[dict[str, Any]]) -> str:
        now = datetime.now(UTC)
        der = base64.b64encode(self.certificate.public_bytes(serialization.Encoding.DER)).decode()
        header = {"typ": "JWT", "alg": "RS256", "x5c": [der]}
        claims = {
            "iss": ISSUER,
            "sub": subject,
            "aud": SERVICE,
            "exp": int((now + timedelta(seconds=self.lifetime)).timestamp()),
            "nbf": int((now - timedelta(seconds=60)).timestamp()),
            "iat": int(now.timestamp()),
            "jti": uuid.uuid4().hex,
            "access": access,
        }
        signed = f"{_segment(json.dumps(header).encode())}.{_segment(json.dumps(claims).encode())}"
        signature = self._key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_segment(signature)}"


def _handler(
    answer: Callable[[str, str | None], tuple[int, dict[str, Any]]],
) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, body = answer(urlsplit(self.path).query, self.headers.get("Authorization"))
            raw = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- http.server's own name
            """Requests are kept by the server, not printed."""

    return Handler


def _credentials(authorization: str | None) -> tuple[str | None, str]:
    kind, _, encoded = (authorization or "").partition(" ")
    if kind.lower() != "basic":
        return None, ""
    user, _, password = base64.b64decode(encoded).decode().partition(":")
    return user, password


def _grant(scope: str, *, named: bool) -> dict[str, Any] | None:
    kind, _, rest = scope.partition(":")
    name, _, actions = rest.rpartition(":")
    allowed = actions.split(",")
    if not named:
        allowed = ["pull"] if name.startswith(PUBLIC_PREFIX) and "pull" in allowed else []
    return {"type": kind, "name": name, "actions": allowed} if allowed else None


def _segment(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _self_signed(key: rsa.RSAPrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, ISSUER)])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=7))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
