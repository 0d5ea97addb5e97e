"""What a log entry speaks of: a signature, what it is over, and the certificate that it was made with.

Source: https://github.com/sigstore/rekor, `types/hashedrekord` and `types/dsse` 0.0.1;
https://github.com/sigstore/rekor-tiles, `api/proto/rekor/v2`, for both in 0.0.2.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from uptainer.signatures.refusals import DoubtError

_HASHES: Mapping[str, Callable[[bytes], Any]] = {
    "sha256": hashlib.sha256,
    "SHA2_256": hashlib.sha256,
    "SHA2_384": hashlib.sha384,
    "SHA2_512": hashlib.sha512,
}


@dataclass(frozen=True, slots=True)
class Signing:
    """What an entry has to speak of: `certificate` is DER, `kind` how the log calls what was signed, `message` what the
    signature is over, and `payload` what an envelope holds.
    """

    kind: str
    message: bytes
    payload: bytes
    signature: bytes
    certificate: bytes


@dataclass(frozen=True, slots=True)
class _Said:
    algorithm: str
    digest: bytes
    signature: bytes
    certificate: bytes


def require_about(body: bytes, signing: Signing) -> None:
    """Raise DoubtError where the entry speaks of another signature, another content or another signer."""
    try:
        entry = json.loads(body)
        kind, version = str(entry["kind"]), str(entry["apiVersion"])
        said = _said(kind, version, entry["spec"], signing)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        raise DoubtError("its log entry cannot be read") from error
    if said.algorithm not in _HASHES:
        raise DoubtError(f"its log entry has a {said.algorithm[:20]} hash, which is not read")
    content = signing.payload if kind == "dsse" else signing.message
    found = (said.digest, said.signature, said.certificate)
    if found != (_HASHES[said.algorithm](content).digest(), signing.signature, signing.certificate):
        raise DoubtError("its log entry speaks of another signature")


def _said(kind: str, version: str, spec: Mapping[str, Any], signing: Signing) -> _Said:
    """An envelope may be logged as one, or by the bytes that its signature is over."""
    if kind not in {signing.kind, "hashedrekord"}:
        raise DoubtError(f"its log entry is of the kind {kind[:20]} {version[:20]}, and not {signing.kind}")
    match kind, version:
        case "hashedrekord", "0.0.1":
            return _hashed_1(spec)
        case "dsse", "0.0.1":
            return _enveloped_1(spec, signing.signature)
        case "hashedrekord", "0.0.2":
            given = spec["hashedRekordV002"]
            return _said_2(given["data"], given["signature"])
        case "dsse", "0.0.2":
            given = spec["dsseV002"]
            return _said_2(given["payloadHash"], _own(given["signatures"], "content", signing.signature))
    raise DoubtError(f"its log entry is of the kind {kind[:20]} {version[:20]}, which is not read")


def _hashed_1(spec: Mapping[str, Any]) -> _Said:
    kept, made = spec["data"]["hash"], spec["signature"]
    certificate = _der(made["publicKey"]["content"])
    return _Said(kept["algorithm"], bytes.fromhex(kept["value"]), _decode(made["content"]), certificate)


def _enveloped_1(spec: Mapping[str, Any], signature: bytes) -> _Said:
    kept, own = spec["payloadHash"], _own(spec["signatures"], "signature", signature)
    certificate = _der(own["verifier"])
    return _Said(kept["algorithm"], bytes.fromhex(kept["value"]), _decode(own["signature"]), certificate)


def _said_2(kept: Mapping[str, Any], made: Mapping[str, Any]) -> _Said:
    """A bare public key instead of the certificate says nothing of who it was."""
    certificate = made["verifier"].get("x509Certificate", {}).get("rawBytes", "")
    return _Said(kept["algorithm"], _decode(kept["digest"]), _decode(made["content"]), _decode(certificate))


def _own(signers: Sequence[Mapping[str, Any]], field: str, signature: bytes) -> Mapping[str, Any]:
    return next((each for each in signers if _decode(each[field]) == signature), signers[0])


def _der(encoded: object) -> bytes:
    """Of a certificate in PEM; of a bare public key, nothing."""
    pem = _decode(encoded)
    if b"-----BEGIN CERTIFICATE-----" not in pem:
        return b""
    return x509.load_pem_x509_certificate(pem).public_bytes(serialization.Encoding.DER)


def _decode(text: object) -> bytes:
    try:
        return base64.b64decode(str(text), validate=True)
    except binascii.Error as error:
        raise DoubtError("something in its log entry is not base64") from error
