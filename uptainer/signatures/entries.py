"""Entries of a Rekor transparency log: when one was made, that it is in the log, and what it speaks of.

Source: https://github.com/sigstore/rekor, `types/hashedrekord` and `types/dsse` 0.0.1; RFC 6962, section 2.1.1;
https://github.com/C2SP/C2SP/blob/main/tlog-checkpoint.md.
"""

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime

from uptainer.signatures.keys import PublicKey, is_signed
from uptainer.signatures.refusals import DoubtError
from uptainer.signatures.roots import TrustRoot, find_log

_DASH = "\N{EM DASH}"


@dataclass(frozen=True, slots=True)
class Proof:
    """That an entry is the `index`-th leaf of a tree of `size` leaves; `checkpoint` is the log's word on that tree."""

    index: int
    size: int
    root: bytes
    hashes: tuple[bytes, ...]
    checkpoint: str


@dataclass(frozen=True, slots=True)
class LogEntry:
    """`promise` is the signed entry timestamp: the log's word that it took the entry at `time` (Unix seconds)."""

    body: bytes
    log_id: bytes
    index: int
    time: int
    promise: bytes = b""
    proof: Proof | None = None


@dataclass(frozen=True, slots=True)
class Signing:
    """What an entry has to speak of; `verifier` is the certificate or public key in PEM, `payload` what was signed."""

    kind: str
    payload: bytes
    signature: bytes
    verifier: str


def prove_time(entry: LogEntry, root: TrustRoot) -> datetime:
    """When the log took the entry, proved by its signature; and that it is in the log, where the proof is given.

    Raises:
        DoubtError: the log is not one of the root's, or its word is not there or does not hold.
    """
    if not entry.promise:
        raise DoubtError("its log entry has no signed time, so that it is not known when it was made")
    taken = _moment(entry.time)
    key = find_log(root.logs, entry.log_id, taken)
    if key is None:
        raise DoubtError(f"its log entry is of the log {entry.log_id.hex()[:16]}, which is not trusted")
    if not is_signed(key, entry.promise, _promised(entry)):
        raise DoubtError("its log entry is not as the log signed it: it was changed, or is another's")
    if entry.proof is not None:
        _prove_inclusion(entry.body, entry.proof, key)
    return taken


def _moment(seconds: int) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError) as error:
        raise DoubtError("its log entry has a time that there is not") from error


def require_about(entry: LogEntry, signing: Signing) -> None:
    """Raise DoubtError where the entry speaks of another signature, another content or another signer."""
    try:
        body = json.loads(entry.body)
        kind, version, spec = body["kind"], body["apiVersion"], body["spec"]
        if (kind, version) != (signing.kind, "0.0.1"):
            raise DoubtError(f"its log entry is of the kind {kind} {version}, and not {signing.kind} 0.0.1")
        found = _hashed(spec) if kind == "hashedrekord" else _enveloped(spec, signing.signature)
    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise DoubtError("its log entry cannot be read") from error
    meant = (hashlib.sha256(signing.payload).hexdigest(), signing.signature, _plain(signing.verifier))
    if found != meant:
        raise DoubtError("its log entry speaks of another signature")


def _hashed(spec: dict[str, dict[str, dict[str, str]]]) -> tuple[str, bytes, str]:
    kept = spec["data"]["hash"]
    if kept["algorithm"] != "sha256":
        raise DoubtError(f"its log entry has a {kept['algorithm'][:20]} hash, and sha256 is what is read")
    signature = str(spec["signature"]["content"])
    return kept["value"], _decode(signature), _pem_in(spec["signature"]["publicKey"]["content"])


def _enveloped(spec: dict[str, object], signature: bytes) -> tuple[str, bytes, str]:
    kept = spec["payloadHash"]
    signers = spec["signatures"]
    if not isinstance(kept, dict) or not isinstance(signers, list) or kept["algorithm"] != "sha256":
        raise DoubtError("its log entry cannot be read")
    own = next((each for each in signers if _decode(each["signature"]) == signature), signers[0])
    return kept["value"], _decode(own["signature"]), _pem_in(own["verifier"])


def _promised(entry: LogEntry) -> bytes:
    """The canonical JSON (RFC 8785) that the log signs."""
    said = {
        "body": base64.b64encode(entry.body).decode(),
        "integratedTime": entry.time,
        "logID": entry.log_id.hex(),
        "logIndex": entry.index,
    }
    return json.dumps(said, sort_keys=True, separators=(",", ":")).encode()


def _prove_inclusion(body: bytes, proof: Proof, key: PublicKey) -> None:
    if _root_of(body, proof) != proof.root:
        raise DoubtError("its log entry is not in the log's tree")
    note, separator, signatures = proof.checkpoint.partition("\n\n")
    lines = note.split("\n")
    if not separator or len(lines) < 3 or (lines[1], lines[2]) != _tree(proof):  # noqa: PLR2004 -- origin, size, root
        raise DoubtError("the log's checkpoint is of another tree")
    signed = f"{note}\n".encode()
    if not any(is_signed(key, each, signed) for each in _note_signatures(signatures)):
        raise DoubtError("the log's checkpoint is not signed by the log")


def _tree(proof: Proof) -> tuple[str, str]:
    return str(proof.size), base64.b64encode(proof.root).decode()


def _note_signatures(text: str) -> list[bytes]:
    """Each line is a dash, a name, and base64 of four bytes of hint and the signature."""
    words = [line.split(" ") for line in text.splitlines() if line.startswith(f"{_DASH} ")]
    return [_decode(each[-1])[4:] for each in words]


def _root_of(body: bytes, proof: Proof) -> bytes:
    """RFC 9162, 2.1.3.2: the root that the leaf and the hashes of the proof make."""
    if not 0 <= proof.index < proof.size:
        raise DoubtError("its log entry is not in the log's tree")
    node, last = proof.index, proof.size - 1
    made = hashlib.sha256(b"\x00" + body).digest()
    for sibling in proof.hashes:
        if last == 0:
            raise DoubtError("the proof that it is in the log is too long")
        if node & 1 or node == last:
            made = hashlib.sha256(b"\x01" + sibling + made).digest()
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            made = hashlib.sha256(b"\x01" + made + sibling).digest()
        node, last = node >> 1, last >> 1
    if last:
        raise DoubtError("the proof that it is in the log is too short")
    return made


def _pem_in(text: str) -> str:
    return _plain(_decode(text).decode("ascii"))


def _plain(pem: str) -> str:
    return "".join(pem.split())


def _decode(text: object) -> bytes:
    try:
        return base64.b64decode(str(text), validate=True)
    except binascii.Error as error:
        raise DoubtError("something in its log entry is not base64") from error
