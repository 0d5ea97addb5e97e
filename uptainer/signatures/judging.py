"""Whether a signature was made by somebody who is trusted, over a digest that it must be over."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from uptainer.signatures import certificates
from uptainer.signatures.bodies import Signing, require_about
from uptainer.signatures.entries import LogEntry, promised_time, require_logged
from uptainer.signatures.keys import PublicKey, is_signed, key_id
from uptainer.signatures.made import Made
from uptainer.signatures.refusals import DoubtError, doubting
from uptainer.signatures.roots import TrustRoot
from uptainer.signatures.timestamps import prove_timestamp
from uptainer.signatures.trusts import IdentityTrust, KeyTrust, Trust


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signed which digest; `at` is None where nobody proved the time."""

    who: str
    digest: str
    at: datetime | None = None


@doubting()
def judge(made: Made, trust: Trust, digests: Sequence[str]) -> Signer:
    """Who signed one of `digests`.

    Raises:
        DoubtError: nobody who is trusted did; the message says what is wrong with this signature.
    """
    digest = _require_named(made, digests)
    _require_annotations(made, trust.annotations)
    match trust:
        case KeyTrust():
            return Signer(_by_key(made, trust), digest)
        case IdentityTrust():
            who, at = _by_identity(made, trust)
            return Signer(who, digest, at)


def _require_named(made: Made, digests: Sequence[str]) -> str:
    named = next((digest for digest in digests if digest in made.names), None)
    if named is None:
        raise DoubtError(f"it is over another digest: {', '.join(sorted(made.names))[:160] or 'none'}")
    return named


def _require_annotations(made: Made, wanted: Mapping[str, str]) -> None:
    for name, value in wanted.items():
        if made.annotations.get(name) != value:
            raise DoubtError(f"it does not say {name}={value}, as the trust asks for")


def _by_key(made: Made, trust: KeyTrust) -> str:
    """A log entry is not asked for here: whoever holds the key could have signed at any time."""
    key = next((key for key in trust.read() if is_signed(key, made.signature, made.message)), None)
    if key is None:
        raise DoubtError("it was not made with a key that is trusted")
    return f"the key {_short(key)}"


def _short(key: PublicKey) -> str:
    return key_id(key).hex()[:16]


def _by_identity(made: Made, trust: IdentityTrust) -> tuple[str, datetime]:
    if not made.certificate:
        raise DoubtError("it has no certificate that says who made it")
    if made.entry is None:
        raise DoubtError("it has no log entry, so that it is not known when it was made")
    certificate = certificates.read_certificate(made.certificate)
    times = _times(made, made.entry, trust.root)
    require_logged(made.entry, trust.root, times)
    signing = Signing(made.kind, made.message, made.payload, made.signature, made.certificate)
    require_about(made.entry.body, signing)
    for at in times:
        certificates.require_trusted(certificate, trust.root, at)
    who = certificates.require_identity(certificate, trust)
    if not is_signed(certificates.key_of(certificate), made.signature, made.message):
        raise DoubtError("it was not made with its certificate's key, or what it signs was changed")
    return who, min(times)


def _times(made: Made, entry: LogEntry, root: TrustRoot) -> list[datetime]:
    """All that is proved: by the log, and by authorities. A timestamp that proves nothing is passed over, for whoever
    holds the signature could as well have left it away.
    """
    promised = promised_time(entry, root)
    times, doubts = [promised] if promised else [], ["there is no timestamp beside it"]
    for each in made.timestamps:
        try:
            times.append(prove_timestamp(each, made.signature, root.timestamp_authorities))
        except DoubtError as error:
            doubts.append(str(error))
    if not times:
        raise DoubtError(
            f"its log entry has no signed time and {doubts[-1]}, so that it is not known when it was made"
        )
    return times
