"""Signatures as cosign makes them, with a Fulcio and a Rekor of the tests' own: what they sign is checked elsewhere."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.lab.certificates import key_usage, new_certificate
from tests.lab.images import digest_of
from tests.lab.transparency import (
    TiledLog,
    b64,
    checkpoint,
    enveloped_spec,
    hashed_spec,
    key_hash,
    proof_of,
)

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
LAYER = "application/vnd.dev.cosign.simplesigning.v1+json"
SIGNED_AT = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
BUILDER = "https://github.com/shop/app/.github/workflows/release.yml@refs/tags/v1.1.0"
ISSUER = "https://token.actions.githubusercontent.com"
_LIFE = timedelta(minutes=10)
_YEAR = timedelta(days=365)


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def public_pem(key: PrivateKey) -> str:
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def sign(key: PrivateKey, message: bytes) -> bytes:
    match key:
        case ec.EllipticCurvePrivateKey():
            return key.sign(message, ec.ECDSA(hashes.SHA256()))
        case rsa.RSAPrivateKey():
            return key.sign(message, padding.PKCS1v15(), hashes.SHA256())
        case ed25519.Ed25519PrivateKey():
            return key.sign(message)


def simple_payload(digest: str, *, name: str = "registry.example/app", **optional: str) -> bytes:
    critical = {
        "identity": {"docker-reference": name},
        "image": {"docker-manifest-digest": digest},
        "type": "cosign container image signature",
    }
    return json.dumps({"critical": critical, "optional": optional or None}).encode()


def statement(
    digest: str,
    *,
    predicate: str = "https://sigstore.dev/cosign/sign/v1",
    subjects: Sequence[Mapping[str, Any]] = (),
) -> bytes:
    subject = list(subjects) or [{"name": "app", "digest": {"sha256": digest.removeprefix("sha256:")}}]
    said = {"_type": "https://in-toto.io/Statement/v1", "subject": subject, "predicateType": predicate}
    return json.dumps({**said, "predicate": {}}).encode()


@dataclass(frozen=True)
class Layer:
    """What one layer of cosign's `.sig` manifest has."""

    payload: bytes
    annotations: Mapping[str, str]


def key_layer(key: PrivateKey, digest: str, **optional: str) -> Layer:
    payload = simple_payload(digest, **optional)
    return Layer(payload, {"dev.cosignproject.cosign/signature": b64(sign(key, payload))})


def key_bundle(key: PrivateKey, digest: str, *, subjects: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    payload = statement(digest, subjects=subjects)
    envelope = _envelope(payload, sign(key, _pae(payload)))
    material = {"publicKey": {"hint": "its-own-word"}, "tlogEntries": []}
    return {"mediaType": BUNDLE, "verificationMaterial": material, "dsseEnvelope": envelope}


@dataclass
class Sigstore:
    """`certificates` are Fulcio's, `rekor` and `ct` the logs' keys."""

    fulcio: ec.EllipticCurvePrivateKey = field(default_factory=new_key)
    rekor: ec.EllipticCurvePrivateKey = field(default_factory=new_key)
    issuing: x509.Certificate = field(init=False)

    def __post_init__(self) -> None:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lab fulcio")])
        self.issuing = (
            new_certificate(self.fulcio.public_key(), name, name, SIGNED_AT - _YEAR, SIGNED_AT + _YEAR)
            .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
            .add_extension(key_usage(sign_certificates=True), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(self.fulcio.public_key()), critical=False
            )
            .sign(self.fulcio, hashes.SHA256())
        )

    @property
    def fulcio_pem(self) -> str:
        return _pem(self.issuing)

    @property
    def rekor_pem(self) -> str:
        return public_pem(self.rekor)

    def certificate(
        self,
        key: ec.EllipticCurvePrivateKey,
        *,
        identity: str = BUILDER,
        issuer: str = ISSUER,
        at: datetime = SIGNED_AT,
    ) -> x509.Certificate:
        """For ten minutes from `at` on."""
        name: x509.GeneralName = (
            x509.UniformResourceIdentifier(identity) if "://" in identity else x509.RFC822Name(identity)
        )
        der = bytes([0x0C, len(issuer)]) + issuer.encode()
        own = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.fulcio.public_key())
        return (
            new_certificate(key.public_key(), x509.Name([]), self.issuing.subject, at, at + _LIFE)
            .add_extension(key_usage(sign_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
            .add_extension(x509.SubjectAlternativeName([name]), critical=True)
            .add_extension(own, critical=False)
            .add_extension(
                x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.8"), der),
                critical=False,
            )
            .sign(self.fulcio, hashes.SHA256())
        )

    def layer(self, digest: str, *, logged_at: datetime = SIGNED_AT, **given: Any) -> Layer:
        """As `cosign sign` without a key wrote it first; `given` is for the certificate."""
        key = new_key()
        payload = simple_payload(digest)
        certificate, signature = self.certificate(key, **given), sign(key, payload)
        body = hashed_entry(payload, signature, _pem(certificate))
        promise = self._promise(body, logged_at)
        entry = {
            "SignedEntryTimestamp": promise["set"],
            "Payload": {
                "body": b64(body),
                "integratedTime": promise["time"],
                "logIndex": 7,
                "logID": promise["log"],
            },
        }
        return Layer(
            payload,
            {
                "dev.cosignproject.cosign/signature": b64(signature),
                "dev.sigstore.cosign/certificate": _pem(certificate),
                "dev.sigstore.cosign/bundle": json.dumps(entry),
            },
        )

    def bundle(
        self,
        digest: str,
        *,
        logged_at: datetime = SIGNED_AT,
        predicate: str = "https://sigstore.dev/cosign/sign/v1",
        **given: Any,
    ) -> dict[str, Any]:
        """As newer cosign writes it, with the proof that it is the third of four entries of the log."""
        key = new_key()
        payload = statement(digest, predicate=predicate)
        certificate, signature = self.certificate(key, **given), sign(key, _pae(payload))
        body = enveloped_entry(payload, signature, _pem(certificate))
        promise = self._promise(body, logged_at)
        material = {
            "certificate": {"rawBytes": b64(certificate.public_bytes(serialization.Encoding.DER))},
            "tlogEntries": [
                {
                    "logIndex": "7",
                    "logId": {"keyId": b64(bytes.fromhex(promise["log"]))},
                    "kindVersion": {"kind": "dsse", "version": "0.0.1"},
                    "integratedTime": str(promise["time"]),
                    "inclusionPromise": {"signedEntryTimestamp": promise["set"]},
                    "inclusionProof": proof_of(body, self._write),
                    "canonicalizedBody": b64(body),
                }
            ],
        }
        return {
            "mediaType": BUNDLE,
            "verificationMaterial": material,
            "dsseEnvelope": _envelope(payload, signature),
        }

    def _promise(self, body: bytes, at: datetime) -> dict[str, Any]:
        log, time = key_hash(self.rekor).hex(), int(at.timestamp())
        said = {"body": b64(body), "integratedTime": time, "logID": log, "logIndex": 7}
        canonical = json.dumps(said, sort_keys=True, separators=(",", ":")).encode()
        return {"set": b64(sign(self.rekor, canonical)), "time": time, "log": log}

    def _write(self, root: bytes) -> str:
        """Its checkpoints have the number of a tree behind the name."""
        hint = key_hash(self.rekor)
        return checkpoint(
            self.rekor, root, origin="rekor.lab.example - 7", signer="rekor.lab.example", hint=hint
        )

    def tiled_bundle(
        self,
        digest: str,
        log: TiledLog,
        stamps: Callable[[bytes], Sequence[bytes]],
        *,
        logs_envelope: bool = True,
        **given: Any,
    ) -> dict[str, Any]:
        """As cosign writes it with Rekor 2: no time but that of `stamps`, which stamp the signature."""
        key = new_key()
        payload = statement(digest)
        certificate, signature = self.certificate(key, **given), sign(key, _pae(payload))
        der = certificate.public_bytes(serialization.Encoding.DER)
        kind, spec = ("hashedrekord", hashed_spec(_pae(payload), signature, der))
        if logs_envelope:
            kind, spec = "dsse", enveloped_spec(payload, signature, der)
        made = [{"signedTimestamp": b64(each)} for each in stamps(signature)]
        material = {
            "certificate": {"rawBytes": b64(der)},
            "tlogEntries": [log.entry(kind, spec)],
            "timestampVerificationData": {"rfc3161Timestamps": made},
        }
        return {
            "mediaType": BUNDLE,
            "verificationMaterial": material,
            "dsseEnvelope": _envelope(payload, signature),
        }


def with_entry(layer: Layer, **changed: Any) -> Layer:
    """With another log entry than the log signed."""
    entry = json.loads(layer.annotations["dev.sigstore.cosign/bundle"])
    entry["Payload"] |= changed
    return replace(layer, annotations={**layer.annotations, "dev.sigstore.cosign/bundle": json.dumps(entry)})


def hashed_entry(payload: bytes, signature: bytes, verifier: str) -> bytes:
    spec = {
        "data": {"hash": {"algorithm": "sha256", "value": hashlib.sha256(payload).hexdigest()}},
        "signature": {"content": b64(signature), "publicKey": {"content": b64(verifier.encode())}},
    }
    return json.dumps({"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": spec}).encode()


def enveloped_entry(payload: bytes, signature: bytes, verifier: str) -> bytes:
    value = hashlib.sha256(payload).hexdigest()
    spec = {
        "envelopeHash": {"algorithm": "sha256", "value": digest_of(signature).removeprefix("sha256:")},
        "payloadHash": {"algorithm": "sha256", "value": value},
        "signatures": [{"signature": b64(signature), "verifier": b64(verifier.encode())}],
    }
    return json.dumps({"apiVersion": "0.0.1", "kind": "dsse", "spec": spec}).encode()


def _envelope(payload: bytes, signature: bytes) -> dict[str, Any]:
    return {
        "payload": b64(payload),
        "payloadType": "application/vnd.in-toto+json",
        "signatures": [{"sig": b64(signature)}],
    }


def _pae(payload: bytes) -> bytes:
    kind = "application/vnd.in-toto+json"
    return f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
