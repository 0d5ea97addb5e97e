"""What the rules look at: everything that is known of one candidate for one workload, in one value."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from uptainer.advice.notes import ReleaseNotes
from uptainer.core.enums import UpdateStatus
from uptainer.core.findings import Scan, ScanDifference
from uptainer.core.images import Candidate, ImageFacts
from uptainer.core.platform import Platform
from uptainer.core.reference import Reference
from uptainer.core.workloads import Mount

VERSION_LABEL = "org.opencontainers.image.version"


@dataclass(frozen=True, slots=True)
class EarlierFailure:
    """An earlier update of this workload; `version` is its tag's or label's, where one was known.

    Only one that failed or was rolled back counts against a candidate, whatever others are given with it.
    """

    digest: str
    version: str | None
    status: UpdateStatus
    at: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True)
class AdviceSubject:
    """One candidate for one workload, at the time `now`.

    What is not known is None: `running` when the engine no longer has the image, a scan that was not made, a
    difference for lack of one, `notes` that were not found, and then `notes_reason` says why.
    """

    workload: str
    reference: Reference
    candidate: Candidate
    now: datetime
    platform: Platform | None = None
    running: ImageFacts | None = None
    running_version: str | None = None
    running_scan: Scan | None = None
    candidate_scan: Scan | None = None
    difference: ScanDifference | None = None
    has_healthcheck: bool = False
    failures: tuple[EarlierFailure, ...] = ()
    mounts: tuple[Mount, ...] = ()
    notes: ReleaseNotes | None = None
    notes_reason: str = "nobody looked for them"

    @property
    def version_before(self) -> str | None:
        return self.running_version or _labelled(self.running.labels if self.running else {})

    @property
    def version_after(self) -> str | None:
        return self.candidate.version or _labelled(self.candidate.labels)

    @property
    def change(self) -> str:
        """`1.27.2 -> 1.28.0` where both are known, else the tags with the end of the digest."""
        after = self.version_after or f"{self.candidate.reference.tag or ''}@{self.candidate.digest[:19]}"
        return f"{self.version_before or self.reference.tag or 'unknown'} -> {after}"


def _labelled(labels: Mapping[str, str]) -> str | None:
    return labels.get(VERSION_LABEL) or None
