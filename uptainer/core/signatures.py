"""What verifying an image's signatures found."""

from dataclasses import dataclass
from datetime import datetime

from uptainer.core.enums import SignatureStatus


@dataclass(frozen=True, slots=True)
class Verification:
    """One image against one trust, by its name. `signed_at` is None where nobody proved the time.

    `signed_digest` is the digest that the signature is over: the one that is pulled, or the platform's manifest in it.
    """

    trust: str
    status: SignatureStatus
    reason: str
    signer: str = ""
    signed_at: datetime | None = None
    signed_digest: str = ""
    verified_at: datetime | None = None

    @property
    def holds(self) -> bool:
        return self.status is SignatureStatus.VERIFIED
