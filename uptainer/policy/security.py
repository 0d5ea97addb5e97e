"""The security gate: a candidate that brings what is bad is stopped, one that fixes it does not wait.

Every rule counts by the same view (`counting`): without what is allowed, and without what a VEX document excuses.
"""

from collections.abc import Mapping
from datetime import datetime

from uptainer.core.enums import ScanStatus, Severity
from uptainer.core.findings import SEVERITY_ORDER, Finding, Scan, Verdict, Vulnerability
from uptainer.policy.counting import Excused, brought, excused, fixed, lapsed, present, secrets
from uptainer.policy.fields import Limit, Tolerance, Unscanned
from uptainer.policy.subjects import DecisionSubject

_UNSCANNED = {Unscanned.BLOCK: Verdict.BLOCK, Unscanned.ASK: Verdict.ASK, Unscanned.ALLOW: Verdict.INFORM}
_TOLERATED = {Tolerance.BLOCK: Verdict.BLOCK, Tolerance.ASK: Verdict.ASK, Tolerance.ALLOW: Verdict.INFORM}
SECRETS = "secrets"
_MOST = 5
_MOST_EXCUSED = 10


def check_vulnerabilities(subject: DecisionSubject, now: datetime) -> Finding:
    """Counts what the candidate brings; one that got a worse severity counts as brought at the new one."""
    rule = "vulnerabilities"
    if subject.difference is None:
        return _unknown(rule, subject, f"what it brings is not known: {_why_unknown(subject)}")
    added, policy = brought(subject, now), subject.policy
    limits = {
        "new_critical_allowed": policy.new_critical_allowed,
        "new_high_allowed": policy.new_high_allowed,
    }
    if over := _over(subject, added, limits):
        return Finding(rule, Verdict.BLOCK, f"it brings {over}")
    said = f"it brings {_counted(added)}{_of_which(subject)}, fixes {_counted(subject.difference.fixed)}"
    if failed := _failed_since(subject):
        return _unknown(rule, subject, f"{said}, by what was known before {failed}")
    return Finding(rule, Verdict.ALLOW, said)


def check_total(subject: DecisionSubject, now: datetime) -> Finding:
    """Counts what the candidate has, whatever runs now."""
    rule, policy = "total_vulnerabilities", subject.policy
    limits = {"critical_allowed": policy.critical_allowed, "high_allowed": policy.high_allowed}
    if all(limit == "any" for limit in limits.values()):
        return Finding(rule, Verdict.ALLOW, "no limit is set on how many it may have in all")
    if why := _why_unscanned(subject.candidate_scan, "the candidate"):
        return _unknown(rule, subject, f"how many it has is not known: {why}")
    found = present(subject, now)
    if over := _over(subject, found, limits):
        return Finding(rule, Verdict.BLOCK, f"it has {over}")
    return Finding(rule, Verdict.ALLOW, f"it has {_counted(found)}{_of_which(subject)}")


def check_end_of_life(subject: DecisionSubject, _now: datetime) -> Finding:
    rule, policy, scan = "end_of_life", subject.policy, subject.candidate_scan
    why = _why_unscanned(scan, "the candidate")
    if scan is None or why or scan.end_of_life is None:
        said = why or "the scanner found no distribution that it knows"
        unknown = f"whether its distribution still gets fixes is not known: {said}"
        if policy.end_of_life is Tolerance.ALLOW:
            return Finding(rule, Verdict.INFORM, unknown)
        return _unknown(rule, subject, unknown)
    name = f"{scan.os_family} {scan.os_version}".strip()
    if not scan.end_of_life:
        return Finding(rule, Verdict.ALLOW, f"{name} is not known to be past its end of life")
    by = f"`end_of_life` is {policy.end_of_life}, by {policy.source('end_of_life')}"
    return Finding(rule, _TOLERATED[policy.end_of_life], f"{name} gets no fixes any more, and {by}")


def check_secrets(subject: DecisionSubject, now: datetime) -> Finding:
    """What an earlier version found without saying where cannot be excused, and counts."""
    rule, policy, scan = SECRETS, subject.policy, subject.candidate_scan
    why = _why_unscanned(scan, "the candidate")
    if scan is None or why or scan.secrets is None:
        unknown = f"whether there are secrets in it is not known: {why or 'nobody looked for any'}"
        if policy.secrets is Tolerance.ALLOW:
            return Finding(rule, Verdict.INFORM, unknown)
        return _unknown(rule, subject, unknown)
    found = secrets(subject, now)
    count = len(found) + scan.secrets - len(scan.found_secrets)
    if not count:
        return Finding(rule, Verdict.ALLOW, "no secret was found in it that counts")
    places = (
        _cut([f"{each.rule} in {each.place}" for each in found], _MOST) or "an earlier scan did not say where"
    )
    reason = f"there {'is 1 secret' if count == 1 else f'are {count} secrets'} in it: {places}"
    by = f"`secrets` is {policy.secrets}, by {policy.source('secrets')}"
    return Finding(rule, _TOLERATED[policy.secrets], f"{reason}; {by}")


def check_platforms(subject: DecisionSubject, _now: datetime) -> Finding:
    """Each platform has an image of its own, and one of them is scanned."""
    rule, platforms = "platforms", subject.container.platforms
    if subject.container.platform is None:
        return Finding(rule, Verdict.INFORM, "on what kind of machine it runs is not known")
    if len(platforms) < 2:  # noqa: PLR2004 -- several
        return Finding(rule, Verdict.ALLOW, "it runs on machines of one kind")
    return _unknown(
        rule, subject, f"it runs on {' and '.join(platforms)}, and the image for one of them alone is scanned"
    )


def check_excused(subject: DecisionSubject, now: datetime) -> Finding:
    """Names what was found and does not count, by whose word, and what somebody's word does not cover any more."""
    rule = "excused"
    said = [*_grouped(excused(subject, now)), *_grouped(lapsed(subject, now))]
    said += [
        f"there is no VEX document {name!r} that can be read, which {subject.policy.source('vex')} names: it excuses nothing"
        for name in subject.excuses.missing
    ]
    if not said:
        return Finding(rule, Verdict.ALLOW, "nothing that was found is excused: all of it counts")
    return Finding(rule, Verdict.INFORM, "; ".join(said))


def check_fast_track(subject: DecisionSubject, now: datetime) -> Finding:
    if is_fast(subject, now):
        urgent = [each for each in fixed(subject, now) if _counts(each, subject.policy.fast_track)]
        return Finding(
            "fast_track",
            Verdict.INFORM,
            f"it fixes {_counted(urgent)} ({_named(urgent)}) and does not wait to ripen",
        )
    return Finding("fast_track", Verdict.INFORM, "it fixes nothing that would make it urgent")


def is_fast(subject: DecisionSubject, now: datetime) -> bool:
    """Whether it fixes something at least as bad as the policy's fast track says, and brings nothing refused."""
    if not any(_counts(each, subject.policy.fast_track) for each in fixed(subject, now)):
        return False
    if check_vulnerabilities(subject, now).verdict is not Verdict.ALLOW:
        return False
    others = (check_total, check_end_of_life, check_secrets, check_platforms)
    return all(check(subject, now).verdict in {Verdict.ALLOW, Verdict.INFORM} for check in others)


def _unknown(rule: str, subject: DecisionSubject, reason: str) -> Finding:
    policy = subject.policy
    return Finding(rule, _UNSCANNED[policy.unscanned], f"{reason} (by {policy.source('unscanned')})")


def _over(subject: DecisionSubject, found: tuple[Vulnerability, ...], limits: Mapping[str, Limit]) -> str:
    """The first limit that is passed, critical before high; "" for none."""
    policy = subject.policy
    for severity, (field, allowed) in zip((Severity.CRITICAL, Severity.HIGH), limits.items(), strict=True):
        bad = [each for each in found if each.severity is severity]
        if allowed != "any" and len(bad) > allowed:
            new = "new " if field.startswith("new_") else ""
            fixable = " with a fix" if policy.only_fixable else ""
            by = policy.source(field)
            return f"{len(bad)} {new}{severity}{fixable}: {_named(bad)}; {allowed} are allowed by {by}"
    return ""


def _of_which(subject: DecisionSubject) -> str:
    return " that has a fix" if subject.policy.only_fixable else ""


def _counts(vulnerability: Vulnerability, threshold: str) -> bool:
    if threshold == "never":
        return False
    return SEVERITY_ORDER.index(vulnerability.severity) >= SEVERITY_ORDER.index(Severity(threshold))


def _failed_since(subject: DecisionSubject) -> str:
    """Which scan failed after the one that counts, and why; "" for none."""
    for scan, which in ((subject.candidate_scan, "the candidate"), (subject.running_scan, "what runs")):
        if scan and scan.failed_since:
            return f"the last scan of {which} failed: {scan.failed_since}"
    return ""


def _why_unknown(subject: DecisionSubject) -> str:
    why = _why_unscanned(subject.candidate_scan, "the candidate") or _why_unscanned(
        subject.running_scan, "what runs"
    )
    return why or "the two scans have not been compared"


def _why_unscanned(scan: Scan | None, which: str) -> str:
    """Nothing, where it was scanned."""
    if scan is None:
        return f"{which} has not been scanned"
    if scan.status is ScanStatus.SUCCEEDED:
        return ""
    word = "is unavailable" if scan.status is ScanStatus.UNAVAILABLE else "failed"
    return f"the scan of {which} {word}: {scan.reason}" if scan.reason else f"the scan of {which} {word}"


def _grouped(found: tuple[Excused, ...]) -> list[str]:
    """By whose word it is, each with all that it is about."""
    groups: dict[str, list[str]] = {}
    for each in found:
        groups.setdefault(each.why, []).append(each.what)
    said = [f"{_cut(what, _MOST_EXCUSED)}: {why}" for why, what in groups.items()]
    more = len(said) - _MOST_EXCUSED
    return said if more <= 0 else [*said[:_MOST_EXCUSED], f"and {more} more reasons"]


def _named(found: list[Vulnerability]) -> str:
    return _cut([f"{each.id} in {each.package}" for each in found], _MOST)


def _cut(names: list[str], most: int) -> str:
    once = list(dict.fromkeys(names))
    more = f" and {len(once) - most} more" if len(once) > most else ""
    return ", ".join(once[:most]) + more


def _counted(found: tuple[Vulnerability, ...] | list[Vulnerability]) -> str:
    counts = [
        (sum(each.severity is severity for each in found), severity) for severity in reversed(SEVERITY_ORDER)
    ]
    return ", ".join(f"{count} {severity}" for count, severity in counts if count) or "nothing known"
