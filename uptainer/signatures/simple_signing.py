"""Signatures as cosign kept them first: a layer for each, whose annotations hold the signature and its proofs.

Source: https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from uptainer.signatures.entries import LogEntry
from uptainer.signatures.made import Made
from uptainer.signatures.refusals import DoubtError, doubting

LAYER = "application/vnd.dev.cosign.simplesigning.v1+json"
_SIGNATURE = "dev.cosignproject.cosign/signature"
_BUNDLE = "dev.sigstore.cosign/bundle"
_TIMESTAMP = "dev.sigstore.cosign/rfc3161timestamp"
_CERTIFICATE = "dev.sigstore.cosign/certificate"
_TYPES = ("cosign container image signature", "atomic container signature")


@doubting()
def read_layer(payload: bytes, annotations: Mapping[str, Any]) -> Made:
    """What one layer says.

    Raises:
        DoubtError: it is not a signature.
    """
    digest, optional = _content(payload)
    try:
        signature = base64.b64decode(str(annotations[_SIGNATURE]), validate=True)
        entry = _entry(annotations[_BUNDLE]) if annotations.get(_BUNDLE) else None
        certificate = _certificate(str(annotations.get(_CERTIFICATE) or ""))
        timestamps = _timestamps(annotations[_TIMESTAMP]) if annotations.get(_TIMESTAMP) else ()
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, binascii.Error) as error:
        raise DoubtError("its annotations cannot be read") from error
    return Made(
        kind="hashedrekord",
        message=payload,
        payload=payload,
        signature=signature,
        names=frozenset({digest}),
        annotations=optional,
        certificate=certificate,
        entry=entry,
        timestamps=timestamps,
    )


def _content(payload: bytes) -> tuple[str, Mapping[str, str]]:
    """The digest that it names. The name of the image beside it is the signer's, and an image has many."""
    try:
        said = json.loads(payload)
        critical = said["critical"]
        if critical["type"] not in _TYPES:
            raise DoubtError(f"it signs something else: {str(critical['type'])[:80]}")
        optional = {str(key): str(value) for key, value in (said.get("optional") or {}).items()}
        return str(critical["image"]["docker-manifest-digest"]), optional
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise DoubtError("what it signs cannot be read") from error


def _entry(text: str) -> LogEntry:
    given = json.loads(text)
    kept = given["Payload"]
    return LogEntry(
        body=base64.b64decode(kept["body"], validate=True),
        log_id=bytes.fromhex(kept["logID"]),
        index=int(kept["logIndex"]),
        time=int(kept["integratedTime"]),
        promise=base64.b64decode(given["SignedEntryTimestamp"], validate=True),
    )


def _timestamps(text: str) -> tuple[bytes, ...]:
    return (base64.b64decode(json.loads(text)["SignedRFC3161Timestamp"], validate=True),)


def _certificate(pem: str) -> bytes:
    if not pem:
        return b""
    return x509.load_pem_x509_certificate(pem.encode()).public_bytes(serialization.Encoding.DER)
