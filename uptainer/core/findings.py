"""A rule's verdict with its reason, and the vulnerabilities that scans speak of."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from uptainer.core.enums import RecommendationType, ScanStatus, Severity
from uptainer.core.sboms import Sbom

SEVERITY_ORDER = tuple(Severity)
RECOMMENDATION_ORDER = tuple(RecommendationType)


class Verdict(StrEnum):
    """What one rule says of one candidate. ASK: only if a person says so. WAIT and BLOCK: not yet, and no."""

    ALLOW = "allow"
    INFORM = "inform"
    ASK = "ask"
    WAIT = "wait"
    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class Finding:
    """`until` is when a WAIT ends by itself, where that is known."""

    rule: str
    verdict: Verdict
    reason: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Vulnerability:
    """One CVE in one installed package of one image. `fixed_version` is "" where no fix is known.

    `purl` is the package's own, as the scanner gave it; "" where it gave none.
    """

    id: str
    package: str
    installed_version: str
    fixed_version: str
    severity: Severity
    title: str = ""
    target: str = ""
    url: str = ""
    score: float | None = None
    published_at: datetime | None = None
    purl: str = ""


@dataclass(frozen=True, slots=True)
class Secret:
    """Where a secret is in an image, and never its value. `file` is "" for the image's own configuration."""

    rule: str
    file: str
    line: int
    severity: Severity = Severity.UNKNOWN
    title: str = ""

    @property
    def place(self) -> str:
        return f"{self.file}, line {self.line}" if self.file else "the image's own configuration"


@dataclass(frozen=True, slots=True)
class Scan:
    """What the scanner said of one digest on one platform; `reason` says why there is nothing, where there is not.

    `secrets` is how many were found, None where nobody looked for any; `found_secrets` says where they are.
    `failed_since` is why a later scan of it did not succeed, "" where there is none: what is said here may be outdated.
    """

    digest: str
    platform: str
    status: ScanStatus
    reason: str = ""
    vulnerabilities: tuple[Vulnerability, ...] = ()
    os_family: str = ""
    os_version: str = ""
    end_of_life: bool | None = None
    secrets: int | None = None
    found_secrets: tuple[Secret, ...] = ()
    scanner_version: str = ""
    database_at: datetime | None = None
    scanned_at: datetime | None = None
    sboms: tuple[Sbom, ...] = field(default=(), compare=False)
    failed_since: str = ""


@dataclass(frozen=True, slots=True)
class ScanDifference:
    """By CVE and package: what the candidate brings, what it fixes, what got a worse severity, what stays."""

    new: tuple[Vulnerability, ...]
    fixed: tuple[Vulnerability, ...]
    worse: tuple[tuple[Vulnerability, Vulnerability], ...]
    unchanged: tuple[Vulnerability, ...]


def count_by_severity(vulnerabilities: Iterable[Vulnerability]) -> dict[Severity, int]:
    """How many of each severity, the worst first; severities that do not occur are left out."""
    found = [vulnerability.severity for vulnerability in vulnerabilities]
    return {severity: found.count(severity) for severity in reversed(SEVERITY_ORDER) if severity in found}


@dataclass(frozen=True, slots=True)
class Advice:
    """A recommendation for one candidate. `risk` runs from 0 (none) to 100."""

    recommendation: RecommendationType
    risk: int
    findings: tuple[Finding, ...]
    summary: str = ""
    source: str = "rules"
