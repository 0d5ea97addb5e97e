"""Entries of a Rekor transparency log: that a log that is trusted has one, and when it took it, where it says so.

Source: https://github.com/sigstore/rekor for entries with a signed entry timestamp;
https://github.com/sigstore/rekor-tiles/blob/main/CLIENTS.md for those of Rekor 2, which have a proof and no time.
"""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from uptainer.signatures.checkpoints import Proof, prove_inclusion
from uptainer.signatures.keys import PublicKey, is_signed
from uptainer.signatures.refusals import DoubtError
from uptainer.signatures.roots import Log, TrustRoot


@dataclass(frozen=True, slots=True)
class LogEntry:
    """`promise` is the signed entry timestamp: the log's word that it took the entry at `time` (Unix seconds). A log of
    Rekor 2 gives none, and what stands as `time` there is nobody's word.
    """

    body: bytes
    log_id: bytes
    index: int
    time: int
    promise: bytes = b""
    proof: Proof | None = None

    @property
    def origin(self) -> str:
        return self.proof.origin if self.proof else ""


def promised_time(entry: LogEntry, root: TrustRoot) -> datetime | None:
    """When the log took the entry, proved by its signature; None where it promised nothing: a proof that the entry is in
    the log covers no time.

    Raises:
        DoubtError: the log is not one of the root's, or its word does not hold.
    """
    if not entry.promise:
        return None
    taken = _moment(entry.time)
    _, key = _log_of(entry, root, [taken])
    if not is_signed(key, entry.promise, _promised(entry)):
        raise DoubtError("its log entry is not as the log signed it: it was changed, or is another's")
    return taken


def require_logged(entry: LogEntry, root: TrustRoot, times: Sequence[datetime]) -> None:
    """Raise DoubtError unless a log that was trusted at all these times has the entry: by the proof that it is in the
    log's tree, or by the promise alone (see `promised_time`) where there is no proof.
    """
    if not (entry.proof or entry.promise):
        raise DoubtError("nothing proves that its log entry is in the log")
    log, key = _log_of(entry, root, times)
    if not (entry.promise or log.signs_as(entry.origin, key)):
        raise DoubtError(
            f"the log's checkpoint is of the log {entry.origin[:80]}, which is not the one that is trusted"
        )
    if entry.proof is not None:
        prove_inclusion(entry.body, entry.proof, key)


def _log_of(entry: LogEntry, root: TrustRoot, times: Sequence[datetime]) -> tuple[Log, PublicKey]:
    for log in root.logs:
        key = log.read()
        if all(log.held(at) for at in times) and log.is_named(entry.log_id, entry.origin, key):
            return log, key
    raise DoubtError(f"its log entry is of the log {entry.log_id.hex()[:16]}, which is not trusted")


def _moment(seconds: int) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError) as error:
        raise DoubtError("its log entry has a time that there is not") from error


def _promised(entry: LogEntry) -> bytes:
    """The canonical JSON (RFC 8785) that the log signs."""
    said = {
        "body": base64.b64encode(entry.body).decode(),
        "integratedTime": entry.time,
        "logID": entry.log_id.hex(),
        "logIndex": entry.index,
    }
    return json.dumps(said, sort_keys=True, separators=(",", ":")).encode()
