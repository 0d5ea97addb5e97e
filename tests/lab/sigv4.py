"""The other side of AWS's signatures: what a server computes to know who asks.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

_HEADER = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/(?P<scope>[^,]+), ?SignedHeaders=(?P<signed>[^,]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)


def read_signer(headers: Mapping[str, str]) -> tuple[str, str]:
    """The access key's id, and the scope `date/region/service/aws4_request`."""
    found = _HEADER.fullmatch(headers["Authorization"])
    assert found, headers["Authorization"]
    return found["key"], found["scope"]


def is_signed(method: str, target: str, headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """Whether this request was signed with this secret, over its host, its date and its body."""
    found = _HEADER.fullmatch(headers.get("Authorization", ""))
    if found is None:
        return False
    signed = found["signed"].split(";")
    if not {"host", "x-amz-date"} <= set(signed):
        return False
    mine = _signature(
        method, target, headers=headers, body=body, secret=secret, scope=found["scope"], signed=signed
    )
    return hmac.compare_digest(mine, found["signature"])


def _signature(
    method: str,
    target: str,
    *,
    headers: Mapping[str, str],
    body: bytes,
    secret: str,
    scope: str,
    signed: list[str],
) -> str:
    lowered = {name.lower(): " ".join(value.split()) for name, value in headers.items()}
    parts = urlsplit(target)
    canonical = "\n".join(
        [
            method,
            quote(parts.path or "/", safe="/~"),
            "&".join(sorted(parts.query.split("&"))) if parts.query else "",
            *(f"{name}:{lowered[name]}" for name in signed),
            "",
            ";".join(signed),
            hashlib.sha256(body).hexdigest(),
        ]
    )
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = "\n".join(["AWS4-HMAC-SHA256", lowered["x-amz-date"], scope, hashed])
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
