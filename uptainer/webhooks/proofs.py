"""Whether a notification comes from where it says: by a signature, a header, or a token in its address.

Each comparison takes as long for a wrong secret as for a right one.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field

from uptainer.core.enums import WebhookKind

SIGNATURE = "x-hub-signature-256"
LEAST_SECRET = 16
"""Characters: what is shorter can be tried out."""
_SIGNED = frozenset({WebhookKind.GITHUB})


@dataclass(frozen=True, slots=True)
class Source:
    """One registry that may tell us of pushes, under a name of its own.

    `registry` is how the fleet's references call it, where its notifications call it otherwise.
    """

    kind: WebhookKind
    secret: str = field(repr=False)
    registry: str = ""

    @property
    def signs(self) -> bool:
        """Whether a signature over the body is asked for, and nothing else is taken."""
        return self.kind in _SIGNED


NOBODY = Source(WebhookKind.GENERIC, "")
"""In the place of a source that there is none of, so that the answer takes as long."""


def is_proved(source: Source, headers: Mapping[str, str], token: str, body: bytes) -> bool:
    """Whether who sent this knows the source's secret. `headers` are asked for in lower case.

    GitHub signs (https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries); all others send the
    secret as the `Authorization` header, with or without `Bearer`, or as the last part of the address.
    """
    if source.signs:
        wanted = hmac.new(source.secret.encode(), body, hashlib.sha256).hexdigest()
        given = headers.get(SIGNATURE, "")
        return _same(given.removeprefix("sha256="), wanted) and bool(source.secret)
    header = headers.get("authorization", "")
    given = header.removeprefix("Bearer ").strip() if header else token
    return _same(given, source.secret) and bool(source.secret)


def _same(one: str, other: str) -> bool:
    """Of digests, so that not even the length is told."""
    digests = (hashlib.sha256(each.encode("utf-8", "surrogateescape")).digest() for each in (one, other))
    return hmac.compare_digest(*digests)
