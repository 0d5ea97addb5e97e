"""Transparency logs of the tests' own: proofs that an entry is in one, and a log of Rekor 2 with a host of its own."""

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

LogKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def public_der(key: LogKey) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def key_hash(key: LogKey) -> bytes:
    return hashlib.sha256(public_der(key)).digest()


def checkpoint(key: LogKey, root: bytes, *, origin: str, signer: str, hint: bytes, size: int = 4) -> str:
    note = f"{origin}\n{size}\n{b64(root)}\n"
    return f"{note}\n\N{EM DASH} {signer} {b64(hint[:4] + _sign(key, note.encode()))}\n"


def proof_of(body: bytes, write: Callable[[bytes], str]) -> dict[str, Any]:
    """That it is the third of four entries; `write` makes the checkpoint of a root."""
    others = [hashlib.sha256(bytes([0, each])).digest() for each in range(3)]
    left = hashlib.sha256(b"\x01" + others[0] + others[1]).digest()
    leaf = hashlib.sha256(b"\x00" + body).digest()
    root = hashlib.sha256(b"\x01" + left + hashlib.sha256(b"\x01" + leaf + others[2]).digest()).digest()
    return {
        "logIndex": "2",
        "treeSize": "4",
        "rootHash": b64(root),
        "hashes": [b64(others[2]), b64(left)],
        "checkpoint": {"envelope": write(root)},
    }


@dataclass
class TiledLog:
    """A Rekor 2; `witness` is a line that somebody else signed, and that nobody has to believe."""

    key: LogKey = field(default_factory=ed25519.Ed25519PrivateKey.generate)
    name: str = "log2026-1.rekor.lab.example"
    witness: str = ""

    @property
    def identifier(self) -> bytes:
        if isinstance(self.key, ed25519.Ed25519PrivateKey):
            return hashlib.sha256(
                f"{self.name}\n".encode() + b"\x01" + self.key.public_key().public_bytes_raw()
            ).digest()
        return key_hash(self.key)

    def write(self, root: bytes) -> str:
        hint = self.identifier
        return checkpoint(self.key, root, origin=self.name, signer=self.name, hint=hint) + self.witness

    def entry(self, kind: str, spec: dict[str, Any]) -> dict[str, Any]:
        body = json.dumps({"apiVersion": "0.0.2", "kind": kind, "spec": spec}).encode()
        return {
            "logIndex": "2",
            "logId": {"keyId": b64(self.identifier)},
            "kindVersion": {"kind": kind, "version": "0.0.2"},
            "inclusionProof": proof_of(body, self.write),
            "canonicalizedBody": b64(body),
        }


def hashed_spec(message: bytes, signature: bytes, certificate: bytes) -> dict[str, Any]:
    data = {"algorithm": "SHA2_256", "digest": b64(hashlib.sha256(message).digest())}
    return {"hashedRekordV002": {"data": data, "signature": _signed(signature, certificate)}}


def enveloped_spec(payload: bytes, signature: bytes, certificate: bytes) -> dict[str, Any]:
    data = {"algorithm": "SHA2_256", "digest": b64(hashlib.sha256(payload).digest())}
    return {"dsseV002": {"payloadHash": data, "signatures": [_signed(signature, certificate)]}}


def _signed(signature: bytes, certificate: bytes) -> dict[str, Any]:
    verifier = {"keyDetails": "PKIX_ECDSA_P256_SHA_256", "x509Certificate": {"rawBytes": b64(certificate)}}
    return {"content": b64(signature), "verifier": verifier}


def _sign(key: LogKey, message: bytes) -> bytes:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(message, ec.ECDSA(hashes.SHA256()))
    return key.sign(message)
