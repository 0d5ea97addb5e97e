"""Whose signature counts: keys, certificates and their log entries, and everything that is wrong with one."""

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding

import tests.lab
from tests.lab.sigstore import (
    BUILDER,
    ISSUER,
    SIGNED_AT,
    Layer,
    PrivateKey,
    Sigstore,
    key_bundle,
    key_layer,
    new_key,
    public_pem,
    simple_payload,
    with_entry,
)
from uptainer.signatures.bundles import read_bundle
from uptainer.signatures.judging import Signer, judge
from uptainer.signatures.made import Made
from uptainer.signatures.refusals import DoubtError
from uptainer.signatures.roots import TrustRoot
from uptainer.signatures.simple_signing import read_layer
from uptainer.signatures.trusts import IdentityTrust, KeyTrust, Trust

DIGEST = f"sha256:{'a3' * 32}"
OTHER = f"sha256:{'b4' * 32}"
SIGSTORE = Sigstore()
ELSEWHERE = Sigstore()
ROOT = TrustRoot.from_pem(SIGSTORE.fulcio_pem, [SIGSTORE.rekor_pem])
SHOP = IdentityTrust(identity=BUILDER, issuer=ISSUER, root=ROOT)
KEYS: dict[str, Callable[[], PrivateKey]] = {
    "P-256": new_key,
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "RSA": lambda: rsa.generate_private_key(65537, 2048),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
}


def read(layer: Layer) -> Made:
    return read_layer(layer.payload, layer.annotations)


def read_json(bundle: dict[str, Any]) -> Made:
    return read_bundle(json.dumps(bundle).encode(), {})


def doubt(made: Made, trust: Trust, digest: str = DIGEST) -> str:
    with pytest.raises(DoubtError) as caught:
        judge(made, trust, [digest])
    return str(caught.value)


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("form", ["layer", "bundle"])
def test_a_signature_of_a_trusted_key_counts(kind: str, form: str) -> None:
    key = KEYS[kind]()
    made = read(key_layer(key, DIGEST)) if form == "layer" else read_json(key_bundle(key, DIGEST))
    trust = KeyTrust(keys=(public_pem(new_key()), public_pem(key)))
    assert judge(made, trust, [DIGEST]).digest == DIGEST
    assert "not made with a key that is trusted" in doubt(made, KeyTrust(keys=(public_pem(KEYS[kind]()),)))


def test_a_signature_over_another_digest_does_not_count() -> None:
    key = new_key()
    trust = KeyTrust(keys=(public_pem(key),))
    for made in (read(key_layer(key, OTHER)), read_json(key_bundle(key, OTHER))):
        assert OTHER in doubt(made, trust)


def test_a_payload_that_was_changed_after_it_was_signed_does_not_count() -> None:
    key = new_key()
    layer = key_layer(key, OTHER)
    moved = replace(layer, payload=layer.payload.replace(OTHER.encode(), DIGEST.encode()))
    assert "not made with a key" in doubt(read(moved), KeyTrust(keys=(public_pem(key),)))


def test_annotations_that_a_trust_asks_for_must_have_been_signed() -> None:
    key = new_key()
    trust = KeyTrust(keys=(public_pem(key),), annotations={"stage": "production"})
    assert judge(read(key_layer(key, DIGEST, stage="production")), trust, [DIGEST])
    assert "stage=production" in doubt(read(key_layer(key, DIGEST, stage="test")), trust)


def test_an_identity_counts_at_the_time_that_the_log_proved() -> None:
    for made in (read(SIGSTORE.layer(DIGEST)), read_json(SIGSTORE.bundle(DIGEST))):
        assert judge(made, SHOP, [OTHER, DIGEST]) == Signer(f"{BUILDER} by {ISSUER}", DIGEST, SIGNED_AT)


def test_an_identity_is_met_exactly_or_by_a_pattern_over_the_whole() -> None:
    made = read(SIGSTORE.layer(DIGEST))
    pattern = r"https://github\.com/shop/app/\.github/workflows/.*@refs/tags/v.*"
    matching = IdentityTrust(identity_matches=pattern, issuer_matches=r"https://token\..*", root=ROOT)
    assert judge(made, matching, [DIGEST])
    for pattern in (r"github\.com/shop", r"https://github\.com/shop|x"):
        other = IdentityTrust(identity_matches=pattern, issuer=ISSUER, root=ROOT)
        assert "who is not trusted" in doubt(made, other)
    mail = IdentityTrust(identity="ann@shop.example", issuer="https://login.example", root=ROOT)
    by_mail = SIGSTORE.layer(DIGEST, identity="ann@shop.example", issuer="https://login.example")
    assert judge(read(by_mail), mail, [DIGEST])


def _log_id() -> str:
    entry = json.loads(SIGSTORE.layer(DIGEST).annotations["dev.sigstore.cosign/bundle"])
    return str(entry["Payload"]["logID"])


def _zeros() -> str:
    return base64.b64encode(bytes(32)).decode()


def _with_proof(**changed: Any) -> Made:
    bundle = SIGSTORE.bundle(DIGEST)
    bundle["verificationMaterial"]["tlogEntries"][0]["inclusionProof"] |= changed
    return read_json(bundle)


def _unsigned_checkpoint() -> Made:
    bundle = SIGSTORE.bundle(DIGEST)
    proof = bundle["verificationMaterial"]["tlogEntries"][0]["inclusionProof"]
    note = proof["checkpoint"]["envelope"].partition("\n\n")[0]
    proof["checkpoint"]["envelope"] = f"{note}\n\n\N{EM DASH} lab {_zeros()}\n"
    return read_json(bundle)


def _without_promise() -> Made:
    bundle = SIGSTORE.bundle(DIGEST)
    del bundle["verificationMaterial"]["tlogEntries"][0]["inclusionPromise"]
    return read_json(bundle)


FAULTS: dict[str, tuple[Callable[[], Made], str]] = {
    "another identity": (lambda: read(SIGSTORE.layer(DIGEST, identity="mallory@x.example")), "not trusted"),
    "another issuer": (lambda: read(SIGSTORE.layer(DIGEST, issuer="https://evil.example")), "that issuer"),
    "another authority": (
        lambda: read(replace(SIGSTORE, fulcio=new_key()).layer(DIGEST)),
        "of no authority that is trusted",
    ),
    "another log": (lambda: read(ELSEWHERE.layer(DIGEST)), "which is not trusted"),
    "a log that calls itself the trusted one": (
        lambda: read(with_entry(ELSEWHERE.layer(DIGEST), logID=_log_id())),
        "not as the log signed it",
    ),
    "logged after the certificate expired": (
        lambda: read(SIGSTORE.layer(DIGEST, logged_at=SIGNED_AT + timedelta(hours=1))),
        "its certificate was good from",
    ),
    "logged before the certificate was made": (
        lambda: read_json(SIGSTORE.bundle(DIGEST, logged_at=SIGNED_AT - timedelta(hours=1))),
        "its certificate was good from",
    ),
    "a changed time": (
        lambda: read(with_entry(SIGSTORE.layer(DIGEST), integratedTime=int(SIGNED_AT.timestamp()) + 1)),
        "not as the log signed it",
    ),
    "a time that there is not": (
        lambda: read(with_entry(SIGSTORE.layer(DIGEST), integratedTime=10**30)),
        "a time that there is not",
    ),
    "a changed body": (
        lambda: read(with_entry(SIGSTORE.layer(DIGEST), body=base64.b64encode(b"{}").decode())),
        "not as the log signed it",
    ),
    "the log entry of another signature": (
        lambda: replace(read(SIGSTORE.layer(DIGEST)), entry=read(SIGSTORE.layer(OTHER)).entry),
        "speaks of another signature",
    ),
    "no log entry": (lambda: replace(read(SIGSTORE.layer(DIGEST)), entry=None), "no log entry"),
    "no certificate": (lambda: read(key_layer(new_key(), DIGEST)), "no certificate"),
    "a bundle that is not in the tree": (lambda: _with_proof(rootHash=_zeros()), "not in the log's tree"),
    "a proof that is too short": (lambda: _with_proof(hashes=[]), "too short"),
    "a checkpoint of another tree": (
        lambda: _with_proof(checkpoint={"envelope": "lab rekor\n9\nx\n\n"}),
        "of another tree",
    ),
    "a checkpoint that nobody signed": (
        _unsigned_checkpoint,
        "not signed by the log",
    ),
    "no promise, so no time": (_without_promise, "no signed time"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_with_an_identity_is_said(fault: str) -> None:
    make, said = FAULTS[fault]
    assert said in doubt(make(), SHOP)


def test_a_statement_about_an_image_is_no_signature_of_it() -> None:
    with pytest.raises(DoubtError, match="says something of it"):
        read_json(SIGSTORE.bundle(DIGEST, predicate="https://cosign.sigstore.dev/attestation/vuln/v1"))


def test_what_is_no_signature_is_a_doubt_and_no_fault() -> None:
    for text in (b"", b"[]", b"{}", b'{"mediaType": 3}', b"\xff", b"[" * 100_000):
        with pytest.raises(DoubtError):
            read_bundle(text, {})
        with pytest.raises(DoubtError):
            read_layer(text, {})
    payload = simple_payload(DIGEST)
    for entry in ("[" * 100_000, "7", '{"Payload": []}', '{"Payload": {"body": 7}}'):
        with pytest.raises(DoubtError):
            read_layer(
                payload, {"dev.cosignproject.cosign/signature": "", "dev.sigstore.cosign/bundle": entry}
            )


@pytest.mark.parametrize("version", [3, 0x7F])
def test_a_malformed_certificate_is_a_doubt_of_this_signature(version: int) -> None:
    layer = SIGSTORE.layer(DIGEST)
    key = "dev.sigstore.cosign/certificate"
    der = x509.load_pem_x509_certificate(layer.annotations[key].encode()).public_bytes(Encoding.DER)
    there_is_none = der.replace(b"\xa0\x03\x02\x01\x02", bytes([0xA0, 3, 2, 1, version]), 1)
    pem = f"-----BEGIN CERTIFICATE-----\n{base64.encodebytes(there_is_none).decode()}-----END CERTIFICATE-----\n"
    with pytest.raises(DoubtError, match="cannot be read"):
        read(replace(layer, annotations={**layer.annotations, key: pem}))
    bundle = SIGSTORE.bundle(DIGEST)
    bundle["verificationMaterial"]["certificate"]["rawBytes"] = base64.b64encode(there_is_none).decode()
    assert "cannot be read" in doubt(read_json(bundle), SHOP)


def test_a_number_without_an_end_is_a_doubt() -> None:
    bundle = SIGSTORE.bundle(DIGEST)
    bundle["verificationMaterial"]["tlogEntries"][0]["logIndex"] = float("inf")
    with pytest.raises(DoubtError, match="cannot be read"):
        read_json(bundle)


def test_what_is_said_of_one_image_of_a_statement_is_not_said_of_another() -> None:
    key = new_key()
    names = [{"sha256": each.removeprefix("sha256:")} for each in (DIGEST, OTHER)]
    subjects = [{"digest": names[0]}, {"digest": names[1], "annotations": {"stage": "production"}}]
    trust = KeyTrust(keys=(public_pem(key),), annotations={"stage": "production"})
    made = read_json(key_bundle(key, DIGEST, subjects=subjects))
    assert "stage=production" in doubt(made, trust)
    assert "stage=production" in doubt(made, trust, OTHER)
    of_one = read_json(key_bundle(key, DIGEST, subjects=subjects[1:]))
    assert judge(of_one, trust, [OTHER]).digest == OTHER


def recorded() -> dict[str, Any]:
    """Made by npm's @sigstore/sign 4.1.1, with the authority and logs of @sigstore/mock 0.12.1."""
    text = (Path(tests.lab.__file__).parent / "recorded_bundle.json").read_text()
    return dict(json.loads(text))


def test_what_sigstores_own_library_for_node_signed_counts() -> None:
    made = recorded()
    signed = made["simple"].encode()
    digest = "sha256:16641ff793409b21ccb165ef4a937b6a35bc4f2e144a6bc0013f611051fe2b6e"
    root = TrustRoot.from_pem(made["fulcio"], [made["rekor"]], [made["ctfe"]])
    who = {"identity": "builder@shop.example", "issuer": "https://login.shop.example"}
    bundle = read_bundle(json.dumps(made["bundle"]).encode(), {digest: signed})
    signer = judge(bundle, IdentityTrust(**who, root=root), [digest])
    assert signer.at is not None
    assert signer.who == "builder@shop.example by https://login.shop.example"
    unpublished = TrustRoot.from_pem(made["fulcio"], [made["rekor"]], [public_pem(new_key())])
    assert "was published" in doubt(bundle, IdentityTrust(**who, root=unpublished), digest)
