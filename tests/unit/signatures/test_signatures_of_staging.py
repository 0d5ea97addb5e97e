"""Signatures that Sigstore's own staging instance made with Rekor 2 and its timestamp authority."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.lab.sigstore import BUNDLE, ISSUER, statement
from tests.lab.transparency import b64
from uptainer.signatures.bodies import Signing, require_about
from uptainer.signatures.bundles import read_bundle
from uptainer.signatures.entries import LogEntry, require_logged
from uptainer.signatures.judging import Signer, judge
from uptainer.signatures.refusals import DoubtError
from uptainer.signatures.roots import TrustRoot
from uptainer.signatures.timestamps import prove_timestamp
from uptainer.signatures.trusts import IdentityTrust

RECORDED = Path(__file__).parent / "data"
SIGNED = b'DO NOT MODIFY ME!\n\nthis is "a.txt", a sample input for sigstore-conformance\'s test suite.\n\nDO NOT MODIFY ME!\n'
SIGNED_NAME = "sha256:a0cfc71271d6e278e57cd332ff957c3f7043fdda354c4cbb190a30d56efa01bf"
BEACON = (
    "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon"
    "/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main"
)


def recorded(name: str) -> dict[str, Any]:
    return dict(json.loads((RECORDED / f"{name}.json").read_text()))


def staging() -> IdentityTrust:
    root = TrustRoot.from_json((RECORDED / "trusted_root.json").read_text())
    return IdentityTrust(identity=BEACON, issuer=ISSUER, root=root)


def test_what_sigstores_staging_instance_signed_with_rekor_2_counts() -> None:
    made = read_bundle(json.dumps(recorded("message")).encode(), {SIGNED_NAME: SIGNED})
    moment = datetime(2025, 6, 12, 12, 2, 20, tzinfo=UTC)
    assert judge(made, staging(), [SIGNED_NAME]) == Signer(f"{BEACON} by {ISSUER}", SIGNED_NAME, moment)
    late = base64.b64decode(recorded("late_timestamp")["signedTimestamp"])
    with pytest.raises(DoubtError, match="its certificate was good from"):
        judge(replace(made, timestamps=(*made.timestamps, late)), staging(), [SIGNED_NAME])


def test_an_envelope_that_sigstores_staging_instance_logged_is_proved_and_is_no_signature_of_an_image() -> (
    None
):
    given = recorded("envelope")
    with pytest.raises(DoubtError, match="says something of it"):
        read_bundle(json.dumps(given).encode(), {})
    material = given["verificationMaterial"]
    signature = base64.b64decode(given["dsseEnvelope"]["signatures"][0]["sig"])
    token = base64.b64decode(material["timestampVerificationData"]["rfc3161Timestamps"][0]["signedTimestamp"])
    moment = prove_timestamp(token, signature, staging().root.timestamp_authorities)
    assert moment == datetime(2025, 7, 25, 19, 53, 4, tzinfo=UTC)
    entry = _entry_in(material)
    require_logged(entry, staging().root, [moment])
    payload = base64.b64decode(given["dsseEnvelope"]["payload"])
    certificate = base64.b64decode(material["certificate"]["rawBytes"])
    signing = Signing("dsse", b"", payload, signature, certificate)
    require_about(entry.body, signing)
    for other in (replace(signing, payload=b"other"), replace(signing, signature=b"other")):
        with pytest.raises(DoubtError, match="another signature"):
            require_about(entry.body, other)


def _entry_in(material: dict[str, Any]) -> LogEntry:
    """By way of a bundle that is read: what is said in it has no part in its log entry."""
    payload = b64(statement(SIGNED_NAME))
    envelope = {
        "payload": payload,
        "payloadType": "application/vnd.in-toto+json",
        "signatures": [{"sig": ""}],
    }
    given = {"mediaType": BUNDLE, "verificationMaterial": material, "dsseEnvelope": envelope}
    entry = read_bundle(json.dumps(given).encode(), {}).entry
    assert entry is not None
    return entry
