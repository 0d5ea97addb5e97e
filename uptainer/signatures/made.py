"""One signature as it was found, whatever the form that it was kept in."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from uptainer.signatures.entries import LogEntry


@dataclass(frozen=True, slots=True)
class Made:
    """`message` is what the signature is over, `payload` what the log was told of, `names` the digests of images that
    the content names. `kind` is how the log calls it. `certificate` is DER, empty where a key alone signed; `timestamps`
    are what timestamp authorities answered, in DER.
    """

    kind: str
    message: bytes
    payload: bytes
    signature: bytes
    names: frozenset[str]
    annotations: Mapping[str, str] = field(default_factory=dict)
    certificate: bytes = b""
    entry: LogEntry | None = None
    timestamps: tuple[bytes, ...] = ()
