"""What may be trusted, and what is refused where it is given."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.lab.sigstore import BUILDER, ISSUER, SIGNED_AT, Sigstore, new_key, public_pem
from uptainer.core.errors import InvalidInputError
from uptainer.signatures.bundles import read_bundle
from uptainer.signatures.judging import judge
from uptainer.signatures.refusals import DoubtError
from uptainer.signatures.roots import TrustRoot
from uptainer.signatures.trusts import IdentityTrust, KeyTrust, document_of, fingerprint, read_trust

DIGEST = f"sha256:{'a3' * 32}"
SIGSTORE = Sigstore()


def private_pem() -> str:
    return (
        new_key()
        .private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        .decode()
    )


def trusted_root(until: str | None = None) -> str:
    """As Sigstore's own repository writes it."""
    der = x509.load_pem_x509_certificate(SIGSTORE.fulcio_pem.encode()).public_bytes(
        serialization.Encoding.DER
    )
    log = SIGSTORE.rekor.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    since = {"start": "2025-01-01T00:00:00Z", **({"end": until} if until else {})}
    return json.dumps(
        {
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [{"publicKey": {"rawBytes": _b64(log), "validFor": {"start": "2025-01-01T00:00:00Z"}}}],
            "certificateAuthorities": [
                {"certChain": {"certificates": [{"rawBytes": _b64(der)}]}, "validFor": since}
            ],
        }
    )


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_a_trust_is_read_back_as_it_was_kept() -> None:
    root = TrustRoot.from_json(trusted_root())
    for trust in (
        KeyTrust(keys=(public_pem(new_key()),), annotations={"stage": "production"}),
        IdentityTrust(identity=BUILDER, issuer_matches="https://.*", root=root),
    ):
        assert read_trust(json.loads(json.dumps(document_of(trust)))) == trust


def test_a_trust_that_changed_has_another_fingerprint() -> None:
    one, two = public_pem(new_key()), public_pem(new_key())
    trusts = [
        KeyTrust(keys=(one,)),
        KeyTrust(keys=(two,)),
        KeyTrust(keys=(one, two)),
        KeyTrust(keys=(one,), annotations={"stage": "production"}),
    ]
    assert len({fingerprint(each) for each in trusts}) == len(trusts)
    assert fingerprint(KeyTrust(keys=(one,))) == fingerprint(KeyTrust(keys=(f"\n{one}\n",)))


def test_a_root_is_read_as_sigstore_writes_it_and_holds_for_its_time() -> None:
    bundle = read_bundle(json.dumps(SIGSTORE.bundle(DIGEST)).encode(), {})
    root = TrustRoot.from_json(trusted_root())
    assert root.authorities[0].since == datetime(2025, 1, 1, tzinfo=UTC)
    trust = IdentityTrust(identity=BUILDER, issuer=ISSUER, root=root)
    assert judge(bundle, trust, [DIGEST]).at == SIGNED_AT
    ended = TrustRoot.from_json(trusted_root("2026-01-01T00:00:00Z"))
    with pytest.raises(DoubtError, match="no authority that is trusted"):
        judge(bundle, IdentityTrust(identity=BUILDER, issuer=ISSUER, root=ended), [DIGEST])


WRONG_KEYS = {
    "nothing": "",
    "a word": "cosign.pub",
    "a certificate": SIGSTORE.fulcio_pem,
    "a private key": private_pem(),
    "a short RSA key": public_pem(rsa.generate_private_key(65537, 1024)),
    "a curve of another kind": public_pem(ec.generate_private_key(ec.SECP256K1())),
}


@pytest.mark.parametrize("name", WRONG_KEYS)
def test_a_key_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(InvalidInputError):
        read_trust({"kind": "key", "keys": [WRONG_KEYS[name]]})


WRONG: dict[str, dict[str, Any]] = {
    "no key": {"kind": "key", "keys": []},
    "no kind": {"keys": []},
    "nobody": {"kind": "identity", "issuer": ISSUER},
    "no issuer": {"kind": "identity", "identity": BUILDER},
    "two ways to say who": {
        "kind": "identity",
        "identity": BUILDER,
        "identity_matches": ".*",
        "issuer": ISSUER,
    },
    "a pattern that RE2 does not take": {"kind": "identity", "identity_matches": "(?=a)", "issuer": ISSUER},
    "a pattern that ends the parentheses around it": {
        "kind": "identity",
        "identity_matches": "https://good)|(?:x",
        "issuer": ISSUER,
    },
    "a setting that there is not": {"kind": "key", "keys": [public_pem(new_key())], "any": True},
}


@pytest.mark.parametrize("name", WRONG)
def test_a_trust_that_says_too_little_is_refused(name: str) -> None:
    root = TrustRoot.from_pem(SIGSTORE.fulcio_pem, [SIGSTORE.rekor_pem]).model_dump(mode="json")
    document = WRONG[name] | ({"root": root} if WRONG[name].get("kind") == "identity" else {})
    with pytest.raises(InvalidInputError):
        read_trust(document)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Expecting value"),
        ("[]", "list indices"),
        ("{}", "it has no 'certificateAuthorities'"),
        ('{"certificateAuthorities": [], "tlogs": []}', "at least 1 item"),
    ],
)
def test_a_root_that_is_none_is_refused(text: str, said: str) -> None:
    with pytest.raises(InvalidInputError, match=rf"(?s)no trusted_root\.json.*{said}"):
        TrustRoot.from_json(text)


def test_a_log_is_known_by_the_host_and_the_key_id_that_its_root_says() -> None:
    root = json.loads(trusted_root())
    root["tlogs"][0] |= {"baseUrl": "https://log.example:8443/", "checkpointKeyId": {"keyId": _b64(b"1234")}}
    (log,) = TrustRoot.from_json(json.dumps(root)).logs
    assert (log.origin, log.checkpoint_id) == ("log.example", b"1234".hex())


def test_a_root_that_does_not_say_since_when_a_log_is_trusted_is_refused() -> None:
    windows: list[dict[str, Any]] = [{}, {"validFor": {}}, {"validFor": {"end": "2026-01-01T00:00:00Z"}}]
    for missing in windows:
        root = json.loads(trusted_root())
        root["tlogs"][0]["publicKey"] = {"rawBytes": root["tlogs"][0]["publicKey"]["rawBytes"], **missing}
        with pytest.raises(InvalidInputError, match="has no start"):
            TrustRoot.from_json(json.dumps(root))
