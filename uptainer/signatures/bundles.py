"""Signatures as newer cosign keeps them: Sigstore bundles, 0.1 to 0.3, attached to what they sign.

Source: https://github.com/sigstore/protobuf-specs, `protos/sigstore_bundle.proto`; https://github.com/secure-systems-lab/dsse;
https://github.com/sigstore/cosign/blob/main/specs/BUNDLE_SPEC.md.
"""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from uptainer.signatures.checkpoints import Proof
from uptainer.signatures.entries import LogEntry
from uptainer.signatures.made import Made
from uptainer.signatures.refusals import DoubtError, doubting

MEDIA_TYPES = frozenset(
    {
        "application/vnd.dev.sigstore.bundle+json;version=0.1",
        "application/vnd.dev.sigstore.bundle+json;version=0.2",
        "application/vnd.dev.sigstore.bundle+json;version=0.3",
        "application/vnd.dev.sigstore.bundle.v0.3+json",
    }
)
MOST_TIMESTAMPS = 8
_STATEMENT = "application/vnd.in-toto+json"
_STATEMENTS = ("https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1")
SIGNS = "https://sigstore.dev/cosign/sign/v1"
"""The statement that says "this is signed", and nothing more. Others, like a scan's, are no word for an image."""


@doubting()
def read_bundle(text: bytes, signed: Mapping[str, bytes]) -> Made:
    """What a bundle says. `signed` are manifests by digest: a bundle over a plain message signs one of them itself.

    Raises:
        DoubtError: it is none, or is no signature of an image.
    """
    try:
        given = json.loads(text)
        if given["mediaType"] not in MEDIA_TYPES:
            raise DoubtError(f"it is of a form that is not read: {str(given['mediaType'])[:80]}")
        material = given["verificationMaterial"]
        made = (
            _enveloped(given["dsseEnvelope"])
            if "dsseEnvelope" in given
            else _plain(given["messageSignature"], signed)
        )
        return replace(
            made,
            certificate=_certificate(material),
            entry=_entry(material.get("tlogEntries") or []),
            timestamps=_timestamps(material.get("timestampVerificationData") or {}),
        )
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise DoubtError("it cannot be read") from error


def _enveloped(given: Mapping[str, Any]) -> Made:
    payload, kind = _decode(given["payload"]), str(given["payloadType"])
    (signature,) = (_decode(each["sig"]) for each in given["signatures"])
    names, annotations = _statement(payload, kind)
    head = f"DSSEv1 {len(kind.encode())} {kind} {len(payload)} ".encode()
    return Made(
        kind="dsse",
        message=head + payload,
        payload=payload,
        signature=signature,
        names=names,
        annotations=annotations,
    )


def _statement(payload: bytes, kind: str) -> tuple[frozenset[str], Mapping[str, str]]:
    said = json.loads(payload)
    if kind != _STATEMENT or said["_type"] not in _STATEMENTS:
        raise DoubtError(f"it signs something else: {kind[:80]}")
    if said["predicateType"] != SIGNS:
        raise DoubtError(
            f"it is no signature of the image, but says something of it: {str(said['predicateType'])[:80]}"
        )
    subjects = said["subject"]
    names = frozenset(f"sha256:{each['digest']['sha256']}" for each in subjects if "sha256" in each["digest"])
    return names, _annotations([each.get("annotations") or {} for each in subjects])


def _annotations(given: Sequence[Mapping[str, Any]]) -> Mapping[str, str]:
    """What is said of all: what is said of one image of a statement is not said of another."""
    said = [{(str(key), str(value)) for key, value in each.items()} for each in given]
    return dict(set.intersection(*said)) if said else {}


def _plain(given: Mapping[str, Any], signed: Mapping[str, bytes]) -> Made:
    digest = given["messageDigest"]
    name = f"sha256:{_decode(digest['digest']).hex()}"
    if digest["algorithm"] != "SHA2_256" or name not in signed:
        raise DoubtError(f"it is over another digest: {name[:80]}")
    message = signed[name]
    return Made(
        kind="hashedrekord",
        message=message,
        payload=message,
        signature=_decode(given["signature"]),
        names=frozenset({name}),
    )


def _certificate(material: Mapping[str, Any]) -> bytes:
    if "certificate" in material:
        return _decode(material["certificate"]["rawBytes"])
    if "x509CertificateChain" in material:
        return _decode(material["x509CertificateChain"]["certificates"][0]["rawBytes"])
    return b""


def _entry(entries: list[Mapping[str, Any]]) -> LogEntry | None:
    if not entries:
        return None
    if len(entries) > 1:
        raise DoubtError(f"it has {len(entries)} log entries, and one is what is read")
    (given,) = entries
    promise = (given.get("inclusionPromise") or {}).get("signedEntryTimestamp") or ""
    return LogEntry(
        body=_decode(given["canonicalizedBody"]),
        log_id=_decode(given["logId"]["keyId"]),
        index=int(given.get("logIndex", 0)),
        time=int(given.get("integratedTime", 0)),
        promise=_decode(promise),
        proof=_proof(given["inclusionProof"]) if given.get("inclusionProof") else None,
    )


def _timestamps(given: Mapping[str, Any]) -> tuple[bytes, ...]:
    found = given.get("rfc3161Timestamps") or []
    if len(found) > MOST_TIMESTAMPS:
        raise DoubtError(f"it has {len(found)} timestamps, and no more than {MOST_TIMESTAMPS} are read")
    return tuple(_decode(each["signedTimestamp"]) for each in found)


def _proof(given: Mapping[str, Any]) -> Proof:
    return Proof(
        index=int(given.get("logIndex", 0)),
        size=int(given["treeSize"]),
        root=_decode(given["rootHash"]),
        hashes=tuple(_decode(each) for each in given.get("hashes") or ()),
        checkpoint=str((given.get("checkpoint") or {}).get("envelope", "")),
    )


def _decode(text: object) -> bytes:
    try:
        return base64.b64decode(str(text), validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error
