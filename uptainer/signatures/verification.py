"""What comes of an image's signatures: verified, or why not; what could not be asked is unknown, and never signed."""

from collections.abc import Sequence
from datetime import datetime

from uptainer.core.enums import SignatureStatus
from uptainer.core.signatures import Verification
from uptainer.core.text import one_line
from uptainer.signatures.judging import judge
from uptainer.signatures.refusals import DoubtError
from uptainer.signatures.search import Found
from uptainer.signatures.trusts import Trust

_TOLD = 3


def verify(name: str, trust: Trust, found: Found, digests: Sequence[str], now: datetime) -> Verification:
    """Judge all signatures that were found; one that holds is enough, whatever the others are.

    `digests` are those of what will run: the digest that is pulled, and the platform's own manifest in it.
    """
    doubts = list(found.unread)
    for made in found.made:
        try:
            signer = judge(made, trust, digests)
        except DoubtError as error:
            doubts.append(str(error))
            continue
        at = f" at {signer.at:%Y-%m-%d %H:%M} UTC" if signer.at else ""
        who = one_line(signer.who)
        reason = f"{signer.digest} was signed by {who}{at}"
        return Verification(name, SignatureStatus.VERIFIED, reason, who, signer.at, signer.digest, now)
    return _not_verified(name, found, doubts, now)


def unknown(name: str, reason: str, now: datetime | None = None) -> Verification:
    return Verification(name, SignatureStatus.UNKNOWN, one_line(reason), verified_at=now)


def _not_verified(name: str, found: Found, doubts: Sequence[str], now: datetime) -> Verification:
    if found.unasked:
        return unknown(name, f"its signatures could not be asked for: {'; '.join(_few(found.unasked))}", now)
    if doubts:
        said = one_line("; ".join(_few(doubts)))
        return Verification(name, SignatureStatus.INVALID, f"it has a signature, and {said}", verified_at=now)
    return Verification(name, SignatureStatus.MISSING, "it is not signed", verified_at=now)


def _few(reasons: Sequence[str]) -> Sequence[str]:
    distinct = list(dict.fromkeys(reasons))
    rest = len(distinct) - _TOLD
    return [*distinct[:_TOLD], *([f"and {rest} more"] if rest > 0 else [])]
