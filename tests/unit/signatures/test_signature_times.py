"""Signatures whose time is a timestamp authority's word, mostly in Rekor 2, and everything that is wrong with one."""

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.lab.sigstore import BUILDER, ISSUER, SIGNED_AT, Sigstore
from tests.lab.timestamping import TimestampAuthority
from tests.lab.transparency import TiledLog, b64, checkpoint, proof_of
from uptainer.signatures.bundles import MOST_TIMESTAMPS, read_bundle
from uptainer.signatures.judging import Signer, judge
from uptainer.signatures.keys import as_key, pem_of
from uptainer.signatures.made import Made
from uptainer.signatures.refusals import DoubtError
from uptainer.signatures.roots import Authority, Log, TrustRoot
from uptainer.signatures.simple_signing import read_layer
from uptainer.signatures.trusts import IdentityTrust

DIGEST = f"sha256:{'a3' * 32}"
SIGSTORE = Sigstore()
LOG, ELSEWHERE = TiledLog(), TiledLog()
TIMES, OTHERS = TimestampAuthority(), TimestampAuthority()
LATER = SIGNED_AT + timedelta(hours=1)
FULCIO = Authority(certificates=(SIGSTORE.fulcio_pem,))


def log_of(log: TiledLog, **dates: datetime) -> Log:
    return Log(key=pem_of(as_key(log.key.public_key())), origin=log.name, **dates)


def trust(
    *authorities: Authority | TimestampAuthority, logs: Sequence[Log] = (), identity: str = BUILDER
) -> IdentityTrust:
    named = tuple(
        each if isinstance(each, Authority) else Authority(certificates=each.chain) for each in authorities
    )
    root = TrustRoot(authorities=(FULCIO,), logs=tuple(logs or [log_of(LOG)]), timestamp_authorities=named)
    return IdentityTrust(identity=identity, issuer=ISSUER, root=root)


SHOP = trust(TIMES)


def at(*moments: datetime, authority: TimestampAuthority = TIMES) -> Callable[[bytes], list[bytes]]:
    return lambda signature: [authority.stamp(signature, each) for each in moments]


IN_TIME = at(SIGNED_AT)


def bundle(
    stamps: Callable[[bytes], Sequence[bytes]] = IN_TIME, log: TiledLog = LOG, **given: Any
) -> dict[str, Any]:
    return SIGSTORE.tiled_bundle(DIGEST, log, stamps, **given)


def read(given: dict[str, Any]) -> Made:
    return read_bundle(json.dumps(given).encode(), {})


def doubt(made: Made, trusted: IdentityTrust = SHOP) -> str:
    with pytest.raises(DoubtError) as caught:
        judge(made, trusted, [DIGEST])
    return str(caught.value)


@pytest.mark.parametrize(
    "key", [ed25519.Ed25519PrivateKey.generate, lambda: ec.generate_private_key(ec.SECP256R1())]
)
@pytest.mark.parametrize("logs_envelope", [True, False])
def test_what_is_in_rekor_2_counts_at_the_time_of_its_timestamp(
    key: Callable[[], ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey], logs_envelope: bool
) -> None:
    log = TiledLog(key())
    made = read(bundle(log=log, logs_envelope=logs_envelope))
    assert judge(made, trust(TIMES, logs=[log_of(log)]), [DIGEST]) == Signer(
        f"{BUILDER} by {ISSUER}", DIGEST, SIGNED_AT
    )


def test_a_timestamp_may_leave_its_authoritys_certificate_to_the_root() -> None:
    made = read(bundle(lambda signature: [TIMES.stamp(signature, SIGNED_AT, embeds=False)]))
    assert judge(made, SHOP, [DIGEST]).at == SIGNED_AT
    assert judge(made, trust(OTHERS, TIMES), [DIGEST]).at == SIGNED_AT


def test_a_log_without_an_address_is_known_by_the_name_in_its_checkpoint() -> None:
    named = log_of(LOG).model_copy(update={"origin": ""})
    assert judge(read(bundle()), trust(TIMES, logs=[named]), [DIGEST])
    by_id = named.model_copy(
        update={"origin": "elsewhere.example", "checkpoint_id": LOG.identifier.hex()[:8]}
    )
    assert judge(read(bundle()), trust(TIMES, logs=[by_id]), [DIGEST])
    another = by_id.model_copy(update={"checkpoint_id": ELSEWHERE.identifier.hex()})
    assert "not the one that is trusted" in doubt(read(bundle()), trust(TIMES, logs=[another]))


def test_the_signature_of_a_witness_beside_the_logs_is_passed_over() -> None:
    line = f"\N{EM DASH} witness.example {b64(b'1234' + bytes(64))}\n"
    assert judge(read(bundle(log=replace(LOG, witness=line))), SHOP, [DIGEST])


def test_a_timestamp_that_proves_nothing_takes_no_time_away_that_the_log_promised() -> None:
    root = TrustRoot.from_pem(SIGSTORE.fulcio_pem, [SIGSTORE.rekor_pem])
    given = SIGSTORE.bundle(DIGEST)
    given["verificationMaterial"]["timestampVerificationData"] = {
        "rfc3161Timestamps": [{"signedTimestamp": "AAAA"}]
    }
    assert (
        judge(read(given), IdentityTrust(identity=BUILDER, issuer=ISSUER, root=root), [DIGEST]).at
        == SIGNED_AT
    )


def test_an_entry_of_rekor_1_may_have_its_proof_and_a_timestamp_instead_of_a_promise() -> None:
    given = SIGSTORE.bundle(DIGEST)
    del given["verificationMaterial"]["tlogEntries"][0]["inclusionPromise"]
    made = read(given)
    stamped = replace(made, timestamps=(TIMES.stamp(made.signature, SIGNED_AT),))
    ours = trust(TIMES, logs=TrustRoot.from_pem(SIGSTORE.fulcio_pem, [SIGSTORE.rekor_pem]).logs)
    assert judge(stamped, ours, [DIGEST]).at == SIGNED_AT
    assert made.entry is not None
    assert "nothing proves" in doubt(replace(stamped, entry=replace(made.entry, proof=None)), ours)


def test_a_timestamp_in_cosigns_first_layout_is_read_and_has_to_be_in_the_certificates_time() -> None:
    layer = SIGSTORE.layer(DIGEST)
    signature = base64.b64decode(layer.annotations["dev.cosignproject.cosign/signature"])
    ours = trust(TIMES, logs=TrustRoot.from_pem(SIGSTORE.fulcio_pem, [SIGSTORE.rekor_pem]).logs)
    for moment, counts in ((SIGNED_AT + timedelta(minutes=1), True), (LATER, False)):
        kept = json.dumps({"SignedRFC3161Timestamp": b64(TIMES.stamp(signature, moment))})
        made = read_layer(layer.payload, {**layer.annotations, "dev.sigstore.cosign/rfc3161timestamp": kept})
        if counts:
            assert judge(made, ours, [DIGEST]).at == SIGNED_AT
        else:
            assert "its certificate was good from" in doubt(made, ours)


def _changed(**changed: Any) -> Made:
    given = bundle()
    given["verificationMaterial"]["tlogEntries"][0] |= changed
    return read(given)


def _with_checkpoint(write: Callable[[bytes], str]) -> Made:
    given = bundle()
    proof = given["verificationMaterial"]["tlogEntries"][0]["inclusionProof"]
    proof["checkpoint"] = {"envelope": write(base64.b64decode(proof["rootHash"]))}
    return read(given)


def _checkpointed(**changed: Any) -> Made:
    named = {"origin": LOG.name, "signer": LOG.name, "hint": LOG.identifier}
    return _with_checkpoint(lambda root: checkpoint(LOG.key, root, **{**named, **changed}))


def _with_body(change: Callable[[dict[str, Any]], None]) -> Made:
    """The log has it, whatever it says."""
    given = bundle()
    entry = given["verificationMaterial"]["tlogEntries"][0]
    body = json.loads(base64.b64decode(entry["canonicalizedBody"]))
    change(body)
    logged = LOG.entry(body["kind"], body["spec"])
    if body["apiVersion"] != "0.0.2":
        text = json.dumps(body).encode()
        logged |= {"inclusionProof": proof_of(text, LOG.write), "canonicalizedBody": b64(text)}
    given["verificationMaterial"]["tlogEntries"] = [logged]
    return read(given)


def _bare_key(body: dict[str, Any]) -> None:
    (own,) = body["spec"]["dsseV002"]["signatures"]
    own["verifier"] = {"publicKey": {"rawBytes": b64(bytes(91))}}


def _swapped(signature: bytes) -> list[bytes]:
    token = TIMES.stamp(signature, SIGNED_AT)
    return [token.replace(f"{SIGNED_AT:%Y%m%d%H%M%S}Z".encode(), f"{LATER:%Y%m%d%H%M%S}Z".encode())]


FAULTS: dict[str, tuple[Callable[[], Made], str]] = {
    "no timestamp": (lambda: read(bundle(at())), "there is no timestamp beside it"),
    "a time that nobody signed": (
        lambda: replace(_changed(integratedTime=str(int(SIGNED_AT.timestamp()))), timestamps=()),
        "no signed time",
    ),
    "stamped after the certificate expired": (
        lambda: read(bundle(at(LATER))),
        "its certificate was good from",
    ),
    "stamped before the certificate was made": (
        lambda: read(bundle(at(SIGNED_AT - timedelta(hours=1)))),
        "its certificate was good from",
    ),
    "one timestamp in time, and one too late": (
        lambda: read(bundle(at(SIGNED_AT, LATER))),
        "its certificate was good from",
    ),
    "a timestamp of another signature": (
        lambda: read(bundle(lambda _: [TIMES.stamp(b"another", SIGNED_AT)])),
        "over another signature",
    ),
    "a timestamp of an authority that is not trusted": (
        lambda: read(bundle(at(SIGNED_AT, authority=OTHERS))),
        "of no authority that is trusted",
    ),
    "a timestamp with another time than was signed": (lambda: read(bundle(_swapped)), "or was changed"),
    "a timestamp that is none": (
        lambda: read(bundle(lambda _: [b"\x30\x03abc"])),
        "timestamp cannot be read",
    ),
    "a log that is not trusted": (lambda: read(bundle(log=ELSEWHERE)), "which is not trusted"),
    "a log that calls itself the trusted one": (
        lambda: _changed(**ELSEWHERE.entry("dsse", {}) | {"logId": {"keyId": b64(LOG.identifier)}}),
        "not signed by the log",
    ),
    "a trusted key under another name": (
        lambda: read(bundle(log=replace(LOG, name="evil.example"))),
        "not the one that is trusted",
    ),
    "no proof": (lambda: _changed(inclusionProof=None), "nothing proves that its log entry is in the log"),
    "a checkpoint of another root": (
        lambda: _with_checkpoint(lambda _: LOG.write(bytes(32))),
        "of another tree",
    ),
    "a checkpoint of another size": (lambda: _checkpointed(size=5), "of another tree"),
    "a checkpoint that was changed after it was signed": (
        lambda: _with_checkpoint(lambda root: LOG.write(root).replace("\n\n", "\nmore\n\n")),
        "not signed by the log",
    ),
    "a checkpoint that only a witness signed": (
        lambda: _checkpointed(signer="witness.example"),
        "not signed by the log",
    ),
    "a checkpoint whose signature is of another key id": (
        lambda: _checkpointed(hint=b"hint"),
        "not signed by the log",
    ),
    "the entry of another signature": (
        lambda: replace(read(bundle()), entry=read(bundle()).entry),
        "speaks of another signature",
    ),
    "an entry of a bare key": (lambda: _with_body(_bare_key), "speaks of another signature"),
    "an entry of another version": (
        lambda: _with_body(lambda body: body.update(apiVersion="0.0.3")),
        "dsse 0.0.3, which is not read",
    ),
    "an entry of another kind": (
        lambda: _with_body(lambda body: body.update(kind="rekord")),
        "of the kind rekord",
    ),
    "an entry that is none": (lambda: _with_body(lambda body: body.update(spec=[])), "entry cannot be read"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_with_a_time_or_its_log_is_said(fault: str) -> None:
    make, said = FAULTS[fault]
    assert said in doubt(make())


def test_an_authority_and_a_log_count_for_their_time_only() -> None:
    ended = Authority(certificates=TIMES.chain, until=SIGNED_AT - timedelta(days=1))
    made = read(bundle())
    assert "when its authority was not trusted" in doubt(made, trust(ended))
    unrelated = Authority(certificates=OTHERS.chain)
    assert "when its authority was not trusted" in doubt(made, trust(ended, unrelated))
    assert judge(made, trust(ended, TIMES), [DIGEST])
    assert "names no authority" in doubt(made, trust())
    begun = log_of(LOG, since=SIGNED_AT + timedelta(days=1))
    assert "which is not trusted" in doubt(made, trust(TIMES, logs=[begun]))


def test_an_authoritys_own_certificate_has_to_be_good_then_and_for_timestamps() -> None:
    expired = TimestampAuthority(since=SIGNED_AT - timedelta(days=400))
    signing = TimestampAuthority(purpose=ExtendedKeyUsageOID.CODE_SIGNING)
    sibling = TimestampAuthority(root_key=TIMES.root_key)
    for authority in (expired, signing):
        made = read(bundle(at(SIGNED_AT, authority=authority)))
        assert "of no authority that is trusted" in doubt(made, trust(authority))
    by_sibling = read(bundle(at(SIGNED_AT, authority=sibling)))
    assert "of no authority that is trusted" in doubt(by_sibling)


def test_no_bundle_keeps_us_verifying() -> None:
    with pytest.raises(DoubtError, match="no more than 8 are read"):
        read(bundle(lambda _: [b"\x30\x00"] * (MOST_TIMESTAMPS + 1)))
    twice = bundle()
    twice["verificationMaterial"]["tlogEntries"] *= 2
    with pytest.raises(DoubtError, match="2 log entries"):
        read(twice)
