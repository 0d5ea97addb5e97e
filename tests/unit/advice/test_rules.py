from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from uptainer.advice.notes import Release, ReleaseNotes
from uptainer.advice.rules import RULES, advise, judge
from uptainer.advice.subject import VERSION_LABEL, AdviceSubject, EarlierFailure
from uptainer.core.enums import ChangeLevel, RecommendationType, ScanStatus, Severity, UpdateStatus
from uptainer.core.findings import Finding, Scan, ScanDifference, Verdict, Vulnerability
from uptainer.core.images import Candidate, ImageFacts
from uptainer.core.platform import Platform
from uptainer.core.reference import Reference
from uptainer.core.workloads import Mount

APPLY, REVIEW, HOLD = RecommendationType
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
AMD64 = Platform("linux", "amd64")
NEW_DIGEST = f"sha256:{'b' * 64}"


def candidate(level: ChangeLevel = ChangeLevel.PATCH, **changes: Any) -> Candidate:
    reference = changes.pop("reference", Reference.parse("example.org/app:1.0.1"))
    fields = {"version": "1.0.1", "published_at": NOW - timedelta(days=30), **changes}
    return Candidate(reference, NEW_DIGEST, level, **fields)


def scan(**changes: Any) -> Scan:
    fields = {
        "status": ScanStatus.SUCCEEDED,
        "os_family": "alpine",
        "os_version": "3.20",
        "end_of_life": False,
        **changes,
    }
    return Scan(NEW_DIGEST, "linux/amd64", **fields)


def running(**changes: Any) -> ImageFacts:
    fields = {"labels": {}, "created_at": NOW - timedelta(days=60), **changes}
    return ImageFacts("sha256:a", ("app:1.0.0",), (), platform=AMD64, size=1, **fields)


def subject(**changes: Any) -> AdviceSubject:
    """A patch that nothing speaks against."""
    quiet = AdviceSubject(
        workload="app",
        reference=Reference.parse("example.org/app:1.0.0"),
        candidate=candidate(),
        now=NOW,
        running=running(),
        running_version="1.0.0",
        running_scan=scan(),
        candidate_scan=scan(),
        difference=ScanDifference((), (), (), ()),
        has_healthcheck=True,
        notes=ReleaseNotes("github.com/example/app", (Release("1.0.1", "1.0.1", "Fixes a typo.", ""),)),
    )
    return replace(quiet, **changes)


def found(severity: Severity, identifier: str = "CVE-1") -> Vulnerability:
    return Vulnerability(identifier, "openssl", "1", "2", severity)


def brings(*severities: Severity, fixed: tuple[Severity, ...] = ()) -> ScanDifference:
    return ScanDifference(
        tuple(found(severity, f"CVE-{number}") for number, severity in enumerate(severities)),
        tuple(found(severity, f"CVE-9{number}") for number, severity in enumerate(fixed)),
        (),
        (),
    )


def finding(of: AdviceSubject, rule: str) -> Finding:
    return next(found for found in advise(of).findings if found.rule == rule)


def test_a_quiet_patch_is_to_be_applied() -> None:
    advice = advise(subject())
    assert (advice.recommendation, advice.risk, advice.source) == (APPLY, 5, "rules")
    assert advice.summary == "Apply it (1.0.0 -> 1.0.1, risk 5 of 100)."


def test_every_rule_leaves_a_finding_with_a_reason() -> None:
    bare = AdviceSubject(
        "app", Reference.parse("app"), Candidate(Reference.parse("app"), NEW_DIGEST, ChangeLevel.DIGEST), NOW
    )
    for each in (subject(), bare):
        findings = advise(each).findings
        assert len({found.rule for found in findings}) == len(findings) == len(RULES) + 1, "one of the notes"
        assert all(found.reason for found in findings)


SEVEN = timedelta(days=7)
POSTGRES_16, POSTGRES_17 = Reference.parse("postgres:16.3"), Reference.parse("postgres:17.0")


def failure(**changes: Any) -> EarlierFailure:
    fields = {
        "digest": NEW_DIGEST,
        "version": "1.0.1",
        "status": UpdateStatus.ROLLED_BACK,
        "at": NOW - SEVEN,
        **changes,
    }
    return EarlierFailure(**fields)


def notes(text: str) -> ReleaseNotes:
    return ReleaseNotes("github.com/example/app", (Release("1.0.1", "", text, ""),))


DATA = Mount("volume", "data", "/var/lib/docker/volumes/data/_data", "/data", read_only=False)

CASES: list[tuple[str, AdviceSubject, str, RecommendationType, str]] = [
    ("minor", subject(candidate=candidate(ChangeLevel.MINOR)), "change level", APPLY, "a minor change"),
    ("major", subject(candidate=candidate(ChangeLevel.MAJOR)), "change level", REVIEW, "may break"),
    (
        "unordered",
        subject(candidate=candidate(ChangeLevel.UNORDERED)),
        "change level",
        REVIEW,
        "cannot be told",
    ),
    ("minutes old", subject(candidate=candidate(published_at=NOW)), "age", APPLY, "published today"),
    (
        "from the future",
        subject(candidate=candidate(published_at=NOW + SEVEN)),
        "age",
        APPLY,
        "published today",
    ),
    (
        "two days old",
        subject(candidate=candidate(published_at=NOW - timedelta(days=2))),
        "age",
        APPLY,
        "2 days ago",
    ),
    ("of unknown age", subject(candidate=candidate(published_at=None)), "age", APPLY, "not known"),
    (
        "reproducible build",
        subject(candidate=candidate(published_at=datetime(1980, 1, 1, tzinfo=UTC))),
        "age",
        APPLY,
        "not known",
    ),
    (
        "older than what runs",
        subject(running=running(created_at=NOW), candidate=candidate(published_at=NOW - SEVEN)),
        "direction",
        REVIEW,
        "step back",
    ),
    ("nobody knows what runs", subject(running=None), "direction", APPLY, "not known"),
    ("not scanned", subject(candidate_scan=None, difference=None), "scan", REVIEW, "has not been scanned"),
    (
        "scan failed",
        subject(candidate_scan=scan(status=ScanStatus.FAILED, reason="broken"), difference=None),
        "scan",
        REVIEW,
        "could not be scanned: broken",
    ),
    (
        "no scanner",
        subject(candidate_scan=scan(status=ScanStatus.UNAVAILABLE, reason="no trivy"), difference=None),
        "scan",
        APPLY,
        "no scan: no trivy",
    ),
    ("stale database", subject(candidate_scan=scan(reason="old database")), "scan", APPLY, "old database"),
    (
        "running image unscanned",
        subject(running_scan=None, difference=None),
        "vulnerabilities",
        APPLY,
        "not known",
    ),
    (
        "new critical",
        subject(difference=brings(Severity.CRITICAL)),
        "vulnerabilities",
        HOLD,
        "brings 1 critical",
    ),
    (
        "as many criticals fixed",
        subject(difference=brings(Severity.CRITICAL, fixed=(Severity.CRITICAL,))),
        "vulnerabilities",
        REVIEW,
        "fixes 1 critical",
    ),
    ("new high", subject(difference=brings(Severity.HIGH)), "vulnerabilities", REVIEW, "CVE-0 in openssl"),
    ("new medium", subject(difference=brings(Severity.MEDIUM)), "vulnerabilities", APPLY, "brings 1 medium"),
    (
        "a medium turned critical",
        subject(difference=ScanDifference((), (), ((found(Severity.MEDIUM), found(Severity.CRITICAL)),), ())),
        "vulnerabilities",
        HOLD,
        "makes worse 1 critical",
    ),
    (
        "end of life",
        subject(candidate_scan=scan(end_of_life=True)),
        "end of life",
        REVIEW,
        "what runs still does",
    ),
    (
        "ended before and after",
        subject(candidate_scan=scan(end_of_life=True), running_scan=scan(end_of_life=True)),
        "end of life",
        APPLY,
        "no security fixes",
    ),
    ("no distribution", subject(candidate_scan=scan(end_of_life=None)), "end of life", APPLY, "not known"),
    ("a new secret", subject(candidate_scan=scan(secrets=1)), "secrets", REVIEW, "1 more secret"),
    (
        "an old secret",
        subject(candidate_scan=scan(secrets=1), running_scan=scan(secrets=1)),
        "secrets",
        APPLY,
        "not there before",
    ),
    ("no health check", subject(has_healthcheck=False), "health check", APPLY, "would go unseen"),
    ("same image rolled back", subject(failures=(failure(),)), "earlier failures", HOLD, "rolled back"),
    (
        "same version rolled back",
        subject(failures=(failure(digest="sha256:other"),)),
        "earlier failures",
        REVIEW,
        "another build",
    ),
    (
        "another version rolled back",
        subject(failures=(failure(digest="sha256:other", version="0.9"),)),
        "earlier failures",
        APPLY,
        "no earlier try",
    ),
    ("data in a volume", subject(mounts=(DATA,)), "stateful", APPLY, "keeps data in /data"),
    (
        "data and a major change",
        subject(mounts=(DATA,), candidate=candidate(ChangeLevel.MAJOR)),
        "stateful",
        REVIEW,
        "back it up first",
    ),
    (
        "a break in the notes",
        subject(notes=notes("BREAKING: gone")),
        "breaking changes",
        REVIEW,
        '"BREAKING: gone"',
    ),
    ("no notes", subject(notes=None, notes_reason="no label"), "release notes", APPLY, "not known: no label"),
]


@pytest.mark.parametrize(
    ("of", "rule", "asks_for", "reason"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_each_concern_is_named_and_weighs(
    of: AdviceSubject, rule: str, asks_for: RecommendationType, reason: str
) -> None:
    advice = advise(of)
    assert advice.recommendation is asks_for
    assert reason in finding(of, rule).reason


def test_a_hold_is_a_block_and_what_speaks_for_it_an_allow() -> None:
    assert finding(subject(difference=brings(Severity.CRITICAL)), "vulnerabilities").verdict is Verdict.BLOCK
    assert (
        finding(subject(difference=brings(fixed=(Severity.HIGH,))), "vulnerabilities").verdict
        is Verdict.ALLOW
    )
    assert finding(subject(difference=brings(Severity.LOW)), "vulnerabilities").verdict is Verdict.INFORM


def test_the_summary_says_what_weighs_most() -> None:
    held = advise(subject(difference=brings(Severity.CRITICAL), has_healthcheck=False))
    assert (
        held.summary == "Hold it back (1.0.0 -> 1.0.1, risk 50 of 100): brings 1 critical (CVE-0 in openssl)."
    )
    fixes = advise(subject(difference=brings(fixed=(Severity.CRITICAL, Severity.HIGH))))
    assert fixes.summary.startswith("Apply it (1.0.0 -> 1.0.1, risk 5 of 100): fixes 1 critical, 1 high")


STORES: list[tuple[str, str, ChangeLevel, RecommendationType, str]] = [
    ("postgres:16.3", "17.0", ChangeLevel.MAJOR, HOLD, "pg_upgrade"),
    ("postgres:16.3", "16.4", ChangeLevel.MINOR, APPLY, "can read as it is"),
    ("docker.io/bitnami/postgresql:16.3.0", "17.0.0", ChangeLevel.MAJOR, HOLD, "pg_upgrade"),
    ("ghcr.io/immich-app/postgres:14-vectorchord", "15", ChangeLevel.MAJOR, HOLD, "pg_upgrade"),
    ("mysql:8.0.36", "8.4.0", ChangeLevel.MINOR, REVIEW, "data dictionary"),
    ("mysql:8.4.0", "9.0.0", ChangeLevel.MAJOR, HOLD, "data dictionary"),
    ("mysql:8.0.36", "8.0.37", ChangeLevel.PATCH, APPLY, "leaves its format alone"),
    ("mariadb:10.11", "11.4", ChangeLevel.MAJOR, HOLD, "mariadb-upgrade"),
    ("mongo:6.0.1", "7.0.0", ChangeLevel.MAJOR, HOLD, "featureCompatibilityVersion"),
    ("redis:7.2", "8.0", ChangeLevel.MAJOR, HOLD, "RDB"),
    ("elasticsearch:8.13.0", "8.14.0", ChangeLevel.MINOR, REVIEW, "reindexed"),
    ("registry:2", "3", ChangeLevel.MAJOR, REVIEW, "can read as it is"),
    ("postgres:stable", "", ChangeLevel.UNORDERED, HOLD, "pg_upgrade"),
]


@pytest.mark.parametrize(("image", "version", "level", "asks_for", "reason"), STORES)
def test_a_database_is_held_where_its_data_would_change(
    image: str, version: str, level: ChangeLevel, asks_for: RecommendationType, reason: str
) -> None:
    reference = Reference.parse(image)
    newer = candidate(level, reference=reference.with_tag(version or "edge"), version=version or None)
    of = subject(reference=reference, running_version=reference.tag, candidate=newer)
    assert advise(of).recommendation is asks_for
    assert reason in finding(of, "stateful").reason


def test_a_database_behind_a_tag_that_stays_does_not_slip_over_a_major_version() -> None:
    latest = Reference.parse("postgres:latest")
    unknown = subject(
        reference=latest,
        running_version=None,
        candidate=candidate(ChangeLevel.DIGEST, reference=latest, version=None),
    )
    assert advise(unknown).recommendation is REVIEW
    assert "may go over a major version unseen" in finding(unknown, "stateful").reason
    labelled = replace(
        unknown,
        running=running(labels={VERSION_LABEL: "16.3"}),
        candidate=replace(unknown.candidate, labels={VERSION_LABEL: "17.0"}),
    )
    assert advise(labelled).recommendation is HOLD
    assert "the tag latest stays" in finding(labelled, "change level").reason
    same = replace(labelled, candidate=replace(unknown.candidate, labels={VERSION_LABEL: "16.3"}))
    assert advise(same).recommendation is APPLY


@pytest.mark.parametrize(
    "mount",
    [
        replace(DATA, read_only=True),
        Mount("bind", "", "/var/run/docker.sock", "/var/run/docker.sock", read_only=False),
        Mount("bind", "", "/etc/localtime", "/etc/localtime", read_only=False),
        Mount("tmpfs", "", "", "/tmp", read_only=False),
    ],
)
def test_sockets_clocks_and_what_cannot_be_written_are_no_data(mount: Mount) -> None:
    assert finding(subject(mounts=(mount,)), "stateful").reason == "it writes to no volume"


@pytest.mark.parametrize("case", CASES, ids=[case[0] for case in CASES])
def test_no_rule_takes_risk_away(case: tuple[str, AdviceSubject, Any, Any, Any]) -> None:
    for judgement in judge(case[1]):
        assert 0 <= judgement.points <= 100
        assert not (judgement.in_favour and judgement.asks_for is not APPLY)


def test_the_younger_the_riskier() -> None:
    risks = [
        advise(subject(candidate=candidate(published_at=NOW - timedelta(hours=hours)))).risk
        for hours in range(0, 240, 6)
    ]
    assert risks == sorted(risks, reverse=True)
    assert len(set(risks)) == 4


@pytest.mark.parametrize(
    "status", [UpdateStatus.SUCCEEDED, UpdateStatus.REJECTED, UpdateStatus.EXPIRED, UpdateStatus.SUPERSEDED]
)
def test_what_did_not_fail_is_not_held_against_it(status: UpdateStatus) -> None:
    of = subject(failures=(failure(status=status),))
    assert advise(of).recommendation is APPLY
    assert finding(of, "earlier failures").reason == "no earlier try of this version failed"
