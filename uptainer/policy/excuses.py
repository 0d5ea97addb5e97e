"""Why a finding of a scan does not count: somebody allowed it, or a VEX document says that it does not apply."""

from dataclasses import dataclass
from datetime import datetime

from uptainer.core.findings import Secret, Vulnerability
from uptainer.policy.allowances import Allowance
from uptainer.policy.identity import ImageIdentity
from uptainer.policy.vex.statements import Document, Statement

_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Excuses:
    """All that may excuse what is found in one container's images.

    `missing` are documents that its policy names and that are not there, so that nothing is excused by them.
    """

    allowances: tuple[Allowance, ...] = ()
    documents: tuple[Document, ...] = ()
    missing: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.allowances or self.documents)

    def of(self, found: Vulnerability, image: ImageIdentity, now: datetime) -> str:
        """Why it does not count, in words; "" where it does."""
        return self._allowed(found.id, found.package, image, now) or self._stated(found, image)

    def of_secret(self, found: Secret, image: ImageIdentity, now: datetime) -> str:
        return self._allowed(found.rule, found.file, image, now)

    def lapsed(self, finding: str, package: str, image: ImageIdentity, now: datetime) -> str:
        """Until when it was allowed, where it is not any more."""
        over = [
            each for each in self.allowances if each.names(finding, package, image) and not each.holds(now)
        ]
        last = max(over, key=lambda each: each.expires_at, default=None)
        return "" if last is None else f"was allowed {_by(last)}, and counts again"

    def _allowed(self, finding: str, package: str, image: ImageIdentity, now: datetime) -> str:
        holding = [
            each for each in self.allowances if each.names(finding, package, image) and each.holds(now)
        ]
        longest = max(holding, key=lambda each: each.expires_at, default=None)
        return "" if longest is None else f"allowed {_by(longest)}"

    def _stated(self, found: Vulnerability, image: ImageIdentity) -> str:
        """Whoever speaks of it must excuse it: one document that says otherwise is enough for it to count."""
        said = [(document, document.last_words(found, image)) for document in self.documents]
        words = [(document, each) for document, last in said for each in last]
        if not words or not all(each.excuses for _, each in words):
            return ""
        return "; ".join(_cited(document, each) for document, each in words)


def _by(allowance: Allowance) -> str:
    who = f" by {allowance.allowed_by}" if allowance.allowed_by else ""
    return f"until {allowance.expires_at:%Y-%m-%d %H:%M %Z}{who} ({allowance.reason})"


def _cited(document: Document, statement: Statement) -> str:
    why = statement.why if len(statement.why) <= _SHOWN else f"{statement.why[:_SHOWN]}..."
    because = f" ({why})" if why else ""
    status = statement.status.replace("_", " ")
    return f"{status}{because}, by statement {statement.number} of {document.name} (sha256 {document.sha256[:12]})"
