"""Rules about vulnerabilities and support, from the scans of what runs and of the candidate."""

from collections.abc import Iterable

from uptainer.advice.judgements import APPLY, HOLD, REVIEW, Judgement
from uptainer.advice.subject import AdviceSubject
from uptainer.core.enums import RecommendationType, ScanStatus, Severity
from uptainer.core.findings import Scan, ScanDifference, Vulnerability, count_by_severity

_POINTS = {
    Severity.CRITICAL: 35,
    Severity.HIGH: 20,
    Severity.MEDIUM: 4,
    Severity.LOW: 1,
    Severity.UNKNOWN: 2,
}
_MAX_POINTS = 70
_UNSCANNED_POINTS = 20
_NO_SCANNER_POINTS = 15
_UNCOMPARED_POINTS = 5
_STILL_ENDED_POINTS = 10
_NEWLY_ENDED_POINTS = 25
_SECRET_POINTS = 15
_MAX_NAMED = 3


def judge_scan(subject: AdviceSubject) -> Judgement:
    """Whether the candidate was looked at. Without a scanner at all, what that means is for the policy to say."""
    scan = subject.candidate_scan
    if scan is None:
        return Judgement("scan", "the candidate has not been scanned", _UNSCANNED_POINTS, REVIEW)
    if scan.status is ScanStatus.UNAVAILABLE:
        return Judgement("scan", f"no scan: {scan.reason}", _NO_SCANNER_POINTS)
    if scan.status is ScanStatus.FAILED:
        return Judgement(
            "scan", f"the candidate could not be scanned: {scan.reason}", _UNSCANNED_POINTS, REVIEW
        )
    found = (
        f"{len(scan.vulnerabilities)} vulnerabilities found"
        if scan.vulnerabilities
        else "no vulnerability found"
    )
    return Judgement("scan", f"{found} in the candidate{f' ({scan.reason})' if scan.reason else ''}")


def judge_difference(subject: AdviceSubject) -> Judgement:
    """What the candidate brings weighs; what it fixes is said. More new criticals than fixed ones ask for a hold."""
    change = subject.difference
    if change is None:
        known = subject.candidate_scan is not None and subject.candidate_scan.status is ScanStatus.SUCCEEDED
        reason = "what runs was not scanned, so what the candidate changes is not known"
        return Judgement("vulnerabilities", reason, _UNCOMPARED_POINTS if known else 0)
    brought = (*change.new, *(now for _, now in change.worse))
    points = min(_MAX_POINTS, sum(_POINTS[vulnerability.severity] for vulnerability in brought))
    reason = "; ".join(_clauses(change)) or "it changes no known vulnerability"
    asks_for = _demand(brought, change.fixed)
    return Judgement(
        "vulnerabilities", reason, points, asks_for, in_favour=not brought and bool(change.fixed)
    )


def judge_end_of_life(subject: AdviceSubject) -> Judgement:
    """Whether the distribution inside still gets security fixes."""
    ended, ended_before = _is_ended(subject.candidate_scan), _is_ended(subject.running_scan)
    name = _distribution(subject.candidate_scan)
    if ended is None:
        return Judgement("end of life", "whether its distribution is still supported is not known")
    if not ended:
        reason = f"{name} is supported" + (", and what runs is not any more" if ended_before else "")
        return Judgement("end of life", reason, in_favour=bool(ended_before))
    if ended_before is False:
        reason = f"{name} gets no security fixes any more, and what runs still does"
        return Judgement("end of life", reason, _NEWLY_ENDED_POINTS, REVIEW)
    return Judgement("end of life", f"{name} gets no security fixes any more", _STILL_ENDED_POINTS)


def judge_secrets(subject: AdviceSubject) -> Judgement:
    """Secrets in the image that were not in the one that runs."""
    scan, before = subject.candidate_scan, subject.running_scan
    if scan is None or scan.secrets is None:
        return Judgement("secrets", "whether there are secrets in the image is not known")
    added = scan.secrets - ((before.secrets or 0) if before else 0)
    if added <= 0:
        return Judgement("secrets", "no secret in the image that was not there before")
    return Judgement(
        "secrets", f"{added} more secret{'s' if added > 1 else ''} in the image", _SECRET_POINTS, REVIEW
    )


def _demand(brought: Iterable[Vulnerability], fixed: Iterable[Vulnerability]) -> RecommendationType:
    severities = [vulnerability.severity for vulnerability in brought]
    critical_fixes = sum(vulnerability.severity is Severity.CRITICAL for vulnerability in fixed)
    if severities.count(Severity.CRITICAL) > critical_fixes:
        return HOLD
    return REVIEW if {Severity.CRITICAL, Severity.HIGH} & set(severities) else APPLY


def _clauses(change: ScanDifference) -> list[str]:
    groups = (
        ("fixes", change.fixed),
        ("brings", change.new),
        ("makes worse", tuple(now for _, now in change.worse)),
    )
    return [f"{verb} {_enumerate(found)}" for verb, found in groups if found]


def _enumerate(found: tuple[Vulnerability, ...]) -> str:
    counted = ", ".join(f"{number} {severity}" for severity, number in count_by_severity(found).items())
    serious = [v for v in found if v.severity in {Severity.CRITICAL, Severity.HIGH}]
    named = list(dict.fromkeys(f"{v.id} in {v.package}" for v in serious))
    more = ", ..." if len(named) > _MAX_NAMED else ""
    return counted + (f" ({', '.join(named[:_MAX_NAMED])}{more})" if named else "")


def _is_ended(scan: Scan | None) -> bool | None:
    return scan.end_of_life if scan is not None and scan.status is ScanStatus.SUCCEEDED else None


def _distribution(scan: Scan | None) -> str:
    return f"{scan.os_family} {scan.os_version}".strip() if scan is not None else ""
