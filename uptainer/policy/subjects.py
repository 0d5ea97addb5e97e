"""What a decision is about: all that the rules may look at, gathered before they run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from uptainer.core.enums import CheckResult, UpdateStatus
from uptainer.core.findings import Advice, Scan, ScanDifference
from uptainer.core.images import Candidate
from uptainer.core.signatures import Verification
from uptainer.core.workloads import ContainerFacts
from uptainer.policy.excuses import Excuses
from uptainer.policy.labels import LabelFault
from uptainer.policy.settings import EffectivePolicy


@dataclass(frozen=True, slots=True)
class EarlierUpdate:
    """How an earlier update of this container to some digest ended, and why."""

    digest: str
    status: UpdateStatus
    ended_at: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True)
class OpenUpdate:
    """Another update of this container that has not ended."""

    id: int
    digest: str
    status: UpdateStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionSubject:
    """One container and at most one candidate for it.

    `check_reason` says why the check found nothing, or could not tell. `first_seen_at` is when the candidate's
    digest was first looked up. `skipped` holds the versions and digests that a person does not want. `difference`
    is None where one of the two scans did not succeed; `excuses` is what keeps some of what they found from counting.
    `approved`: a person has said yes to exactly this digest.
    `is_self`: the container runs Uptainer itself. `signatures` are the candidate's, by the name of the trust.
    """

    container: ContainerFacts
    policy: EffectivePolicy
    check: CheckResult
    check_reason: str = ""
    candidate: Candidate | None = None
    first_seen_at: datetime | None = None
    advice: Advice | None = None
    running_scan: Scan | None = None
    candidate_scan: Scan | None = None
    difference: ScanDifference | None = None
    signatures: Mapping[str, Verification] = field(default_factory=dict)
    excuses: Excuses = field(default_factory=Excuses)
    label_faults: tuple[LabelFault, ...] = ()
    earlier: tuple[EarlierUpdate, ...] = ()
    open_update: OpenUpdate | None = None
    skipped: frozenset[str] = frozenset()
    snoozed_until: datetime | None = None
    approved: bool = False
    is_self: bool = False

    @property
    def offered(self) -> Candidate:
        """The candidate, for the rules that run only where there is one."""
        assert self.candidate is not None, "this rule runs only where there is a candidate"
        return self.candidate
