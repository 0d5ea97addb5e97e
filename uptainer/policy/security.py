"""The security gate: a candidate that brings what is bad is stopped, one that fixes it does not wait."""

from datetime import datetime

from uptainer.core.enums import ScanStatus, Severity
from uptainer.core.findings import SEVERITY_ORDER, Finding, Scan, Verdict, Vulnerability
from uptainer.policy.fields import Unscanned
from uptainer.policy.subjects import DecisionSubject

_UNSCANNED = {Unscanned.BLOCK: Verdict.BLOCK, Unscanned.ASK: Verdict.ASK, Unscanned.ALLOW: Verdict.INFORM}


def check_vulnerabilities(subject: DecisionSubject, _now: datetime) -> Finding:
    """Counts what the candidate brings; one that got a worse severity counts as brought at the new one."""
    if subject.difference is None:
        reason = (
            f"what it brings is not known: {_why_unknown(subject)} (by {subject.policy.source('unscanned')})"
        )
        return Finding("vulnerabilities", _UNSCANNED[subject.policy.unscanned], reason)
    brought = (*subject.difference.new, *(after for _, after in subject.difference.worse))
    limits = (
        (Severity.CRITICAL, subject.policy.new_critical_allowed, "new_critical_allowed"),
        (Severity.HIGH, subject.policy.new_high_allowed, "new_high_allowed"),
    )
    for severity, allowed, field in limits:
        found = [each for each in brought if each.severity is severity]
        if allowed != "any" and len(found) > allowed:
            by = subject.policy.source(field)
            reason = f"it brings {len(found)} new {severity}: {_named(found)}; {allowed} are allowed by {by}"
            return Finding("vulnerabilities", Verdict.BLOCK, reason)
    return Finding(
        "vulnerabilities",
        Verdict.ALLOW,
        f"it brings {_counted(brought)}, fixes {_counted(subject.difference.fixed)}",
    )


def check_fast_track(subject: DecisionSubject, now: datetime) -> Finding:
    if is_fast(subject, now):
        fixed = [each for each in _fixed(subject) if _counts(each, subject.policy.fast_track)]
        return Finding(
            "fast_track",
            Verdict.INFORM,
            f"it fixes {_counted(fixed)} ({_named(fixed)}) and does not wait to ripen",
        )
    return Finding("fast_track", Verdict.INFORM, "it fixes nothing that would make it urgent")


def is_fast(subject: DecisionSubject, now: datetime) -> bool:
    """Whether it fixes something at least as bad as the policy's fast track says, and brings nothing refused."""
    if not any(_counts(each, subject.policy.fast_track) for each in _fixed(subject)):
        return False
    return check_vulnerabilities(subject, now).verdict is Verdict.ALLOW


def _fixed(subject: DecisionSubject) -> tuple[Vulnerability, ...]:
    return subject.difference.fixed if subject.difference is not None else ()


def _counts(vulnerability: Vulnerability, threshold: str) -> bool:
    if threshold == "never":
        return False
    return SEVERITY_ORDER.index(vulnerability.severity) >= SEVERITY_ORDER.index(Severity(threshold))


def _why_unknown(subject: DecisionSubject) -> str:
    for scan, which in ((subject.candidate_scan, "the candidate"), (subject.running_scan, "what runs")):
        if scan is None:
            return f"{which} has not been scanned"
        if scan.status is not ScanStatus.SUCCEEDED:
            return f"the scan of {which} {_failure(scan)}"
    return "the two scans have not been compared"


def _failure(scan: Scan) -> str:
    word = "is unavailable" if scan.status is ScanStatus.UNAVAILABLE else "failed"
    return f"{word}: {scan.reason}" if scan.reason else word


def _named(found: list[Vulnerability], most: int = 5) -> str:
    names = list(dict.fromkeys(f"{each.id} in {each.package}" for each in found))
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _counted(found: tuple[Vulnerability, ...] | list[Vulnerability]) -> str:
    counts = [
        (sum(each.severity is severity for each in found), severity) for severity in reversed(SEVERITY_ORDER)
    ]
    return ", ".join(f"{count} {severity}" for count, severity in counts if count) or "nothing known"
