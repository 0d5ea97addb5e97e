"""What the security gate counts: absolute limits, fixes, ends of life, secrets, and what is allowed or stated."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.lab.facts import candidate, container, digest
from uptainer.core.enums import CheckResult, PolicyScope, ScanStatus, Severity
from uptainer.core.errors import InvalidInputError
from uptainer.core.findings import Finding, Scan, Secret, Verdict, Vulnerability
from uptainer.policy.allowances import Allowance, read_expiry
from uptainer.policy.decisions import Outcome, decide
from uptainer.policy.excuses import Excuses
from uptainer.policy.layers import Layer, merge
from uptainer.policy.settings import parse_settings
from uptainer.policy.subjects import DecisionSubject
from uptainer.policy.vex.reading import read_document
from uptainer.scanning.differences import comparable, compare

NOW = datetime(2026, 3, 14, 12, tzinfo=UTC)
SOON = NOW + timedelta(days=30)
TOKEN = Secret("github-pat", "/app/.env", 3, Severity.CRITICAL, "GitHub token")


def flaw(
    name: str, severity: Severity = Severity.CRITICAL, package: str = "openssl", fix: str = "2"
) -> Vulnerability:
    return Vulnerability(name, package, "1", fix, severity, purl=f"pkg:apk/alpine/{package}@1?arch=x86_64")


BAD, WORSE, UNFIXED = flaw("CVE-2026-1"), flaw("CVE-2026-2"), flaw("CVE-2026-3", fix="")
HIGH = flaw("CVE-2026-4", Severity.HIGH)


def scan(seed: str, *found: Vulnerability, **given: Any) -> Scan:
    values: dict[str, Any] = {
        "secrets": 0,
        "end_of_life": False,
        "os_family": "alpine",
        "os_version": "3.20",
        **given,
    }
    return Scan(digest(seed), "linux/amd64", ScanStatus.SUCCEEDED, vulnerabilities=found, **values)


def about(running: Scan | None, offered: Scan | None, *excuses: Any, **settings: Any) -> DecisionSubject:
    """`mode` is auto, so that an ask is one of the rule that is looked at."""
    both = running is not None and offered is not None and comparable(running, offered)
    return DecisionSubject(
        container=container(),
        policy=merge([Layer(PolicyScope.HOST, "alpha", parse_settings({"mode": "auto", **settings}))]),
        check=CheckResult.CANDIDATES,
        candidate=candidate(),
        running_scan=running,
        candidate_scan=offered,
        difference=compare(running, offered) if both and running and offered else None,
        excuses=Excuses(
            tuple(each for each in excuses if isinstance(each, Allowance)),
            tuple(read_document("vendor", each) for each in excuses if isinstance(each, str)),
        ),
    )


def found_by(subject: DecisionSubject, rule: str, now: datetime = NOW) -> Finding:
    return next(each for each in decide(subject, now).findings if each.rule == rule)


def allowed(finding: str = BAD.id, until: datetime = SOON, **given: Any) -> Allowance:
    return Allowance(finding, "the port is closed", until, "ada", **given)


CLEAN, SCANLESS = scan("running"), None
FAILED = Scan(digest("1.28"), "linux/amd64", ScanStatus.FAILED, "no database")
OLD = {"end_of_life": True}

GATES: list[tuple[str, DecisionSubject, str, Verdict, str]] = [
    ("one too many in all", about(scan("running", BAD), scan("1.28", BAD), critical_allowed=0), "total_vulnerabilities", Verdict.BLOCK, "it has 1 critical: CVE-2026-1 in openssl; 0 are allowed by the policy of the host alpha"),
    ("as many as are allowed", about(CLEAN, scan("1.28", BAD), critical_allowed=1), "total_vulnerabilities", Verdict.ALLOW, "it has 1 critical"),
    ("high ones too", about(CLEAN, scan("1.28", HIGH), high_allowed=0), "total_vulnerabilities", Verdict.BLOCK, "it has 1 high"),
    ("no limit", about(CLEAN, scan("1.28", BAD)), "total_vulnerabilities", Verdict.ALLOW, "no limit is set"),
    ("no limit needs no scan", about(CLEAN, SCANLESS), "total_vulnerabilities", Verdict.ALLOW, "no limit is set"),
    ("a CVE in two places of one package is one", about(CLEAN, scan("1.28", BAD, replace(BAD, target="b")), critical_allowed=1), "total_vulnerabilities", Verdict.ALLOW, "it has 1 critical"),
    ("a limit and no scan", about(CLEAN, SCANLESS, critical_allowed=9), "total_vulnerabilities", Verdict.ASK, "is not known: the candidate has not been scanned (by the built-in default)"),
    ("a limit and a scan that failed", about(CLEAN, FAILED, critical_allowed=9, unscanned="block"), "total_vulnerabilities", Verdict.BLOCK, "the scan of the candidate failed: no database"),
    ("a limit, no scan, and that is allowed", about(CLEAN, FAILED, critical_allowed=0, unscanned="allow"), "total_vulnerabilities", Verdict.INFORM, "by the policy of the host alpha"),
    ("what runs need not be scanned for a limit", about(SCANLESS, scan("1.28"), critical_allowed=0), "total_vulnerabilities", Verdict.ALLOW, "it has nothing known"),
    ("without a fix it counts", about(CLEAN, scan("1.28", UNFIXED), critical_allowed=0), "total_vulnerabilities", Verdict.BLOCK, "CVE-2026-3"),
    ("only what has a fix", about(CLEAN, scan("1.28", UNFIXED), critical_allowed=0, only_fixable=True), "total_vulnerabilities", Verdict.ALLOW, "it has nothing known that has a fix"),
    ("only what has a fix is new", about(CLEAN, scan("1.28", UNFIXED), only_fixable=True), "vulnerabilities", Verdict.ALLOW, "it brings nothing known that has a fix"),
    ("new with a fix", about(CLEAN, scan("1.28", BAD, UNFIXED), only_fixable=True), "vulnerabilities", Verdict.BLOCK, "it brings 1 new critical with a fix: CVE-2026-1 in openssl"),
    ("past its end, and that is blocked", about(CLEAN, scan("1.28", **OLD), end_of_life="block"), "end_of_life", Verdict.BLOCK, "alpine 3.20 gets no fixes any more, and `end_of_life` is block, by the policy of the host alpha"),
    ("past its end, and a person is asked", about(CLEAN, scan("1.28", **OLD), end_of_life="ask"), "end_of_life", Verdict.ASK, "is ask"),
    ("past its end, and that is allowed", about(CLEAN, scan("1.28", **OLD)), "end_of_life", Verdict.INFORM, "is allow, by the built-in default"),
    ("not past its end", about(CLEAN, scan("1.28"), end_of_life="block"), "end_of_life", Verdict.ALLOW, "alpine 3.20 is not known to be past"),
    ("an end that is not known", about(CLEAN, scan("1.28", end_of_life=None), end_of_life="ask", unscanned="block"), "end_of_life", Verdict.BLOCK, "no distribution that it knows"),
    ("an end that nobody looked for", about(CLEAN, SCANLESS, end_of_life="block"), "end_of_life", Verdict.ASK, "the candidate has not been scanned"),
    ("an end that is not known and may be any", about(CLEAN, SCANLESS), "end_of_life", Verdict.INFORM, "is not known"),
    ("a secret is blocked", about(CLEAN, scan("1.28", secrets=1, found_secrets=(TOKEN,)), secrets="block"), "secrets", Verdict.BLOCK, "there is 1 secret in it: github-pat in /app/.env, line 3; `secrets` is block, by the policy of the host alpha"),
    ("a secret is asked about", about(CLEAN, scan("1.28", secrets=1, found_secrets=(TOKEN,)), secrets="ask"), "secrets", Verdict.ASK, "is ask"),
    ("a secret is told of", about(CLEAN, scan("1.28", secrets=1, found_secrets=(TOKEN,))), "secrets", Verdict.INFORM, "is allow"),
    ("no secret", about(CLEAN, scan("1.28"), secrets="block"), "secrets", Verdict.ALLOW, "no secret"),
    ("secrets of an older scan count without a place", about(CLEAN, scan("1.28", secrets=2), secrets="block"), "secrets", Verdict.BLOCK, "there are 2 secrets in it: an earlier scan did not say where"),
    ("nobody looked for secrets", about(CLEAN, scan("1.28", secrets=None), secrets="ask", unscanned="block"), "secrets", Verdict.BLOCK, "nobody looked for any"),
    ("secrets of what was not scanned", about(CLEAN, FAILED, secrets="block"), "secrets", Verdict.ASK, "failed: no database"),
    ("an allowed secret", about(CLEAN, scan("1.28", secrets=1, found_secrets=(TOKEN,)), allowed("github-pat", package="/app/*"), secrets="block"), "secrets", Verdict.ALLOW, "no secret"),
    ("an allowed secret elsewhere", about(CLEAN, scan("1.28", secrets=1, found_secrets=(TOKEN,)), allowed("github-pat", package="/srv/*"), secrets="block"), "secrets", Verdict.BLOCK, "/app/.env"),
    ("what is allowed is not new", about(CLEAN, scan("1.28", BAD), allowed()), "vulnerabilities", Verdict.ALLOW, "it brings nothing known"),
    ("what is allowed is not there", about(CLEAN, scan("1.28", BAD), allowed(), critical_allowed=0), "total_vulnerabilities", Verdict.ALLOW, "it has nothing known"),
    ("what is allowed is named", about(CLEAN, scan("1.28", BAD), allowed()), "excused", Verdict.INFORM, "CVE-2026-1 in openssl: allowed until 2026-04-13 12:00 UTC by ada (the port is closed)"),
    ("another is not allowed with it", about(CLEAN, scan("1.28", BAD, WORSE), allowed()), "vulnerabilities", Verdict.BLOCK, "it brings 1 new critical: CVE-2026-2 in openssl"),
    ("in another package it is not", about(CLEAN, scan("1.28", BAD, flaw(BAD.id, package="curl")), allowed(package="openssl")), "vulnerabilities", Verdict.BLOCK, "CVE-2026-1 in curl"),
    ("what was allowed counts again", about(CLEAN, scan("1.28", BAD), allowed(until=NOW)), "vulnerabilities", Verdict.BLOCK, "CVE-2026-1"),
    ("and it is said until when it was", about(CLEAN, scan("1.28", BAD), allowed(until=NOW)), "excused", Verdict.INFORM, "CVE-2026-1 in openssl: was allowed until 2026-03-14 12:00 UTC by ada (the port is closed), and counts again"),
    ("what is not there is not told of", about(CLEAN, scan("1.28"), allowed(), allowed(until=NOW)), "excused", Verdict.ALLOW, "nothing that was found is excused"),
    ("for another image", about(CLEAN, scan("1.28", BAD), allowed(image="redis*")), "vulnerabilities", Verdict.BLOCK, "CVE-2026-1"),
    ("for this image", about(CLEAN, scan("1.28", BAD), allowed(image="nginx")), "vulnerabilities", Verdict.ALLOW, "nothing"),
    ("for this tag", about(CLEAN, scan("1.28", BAD), allowed(image="docker.io/library/nginx:1.2?")), "vulnerabilities", Verdict.ALLOW, "nothing"),
    ("for this digest", about(CLEAN, scan("1.28", BAD), allowed(image=f"nginx@{digest('1.28')}")), "vulnerabilities", Verdict.ALLOW, "nothing"),
    ("for another digest", about(CLEAN, scan("1.28", BAD), allowed(image=f"nginx@{digest('1.29')}")), "vulnerabilities", Verdict.BLOCK, "CVE-2026-1"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("subject", "rule", "verdict", "reason"), [row[1:] for row in GATES], ids=[row[0] for row in GATES]
)
def test_what_a_rule_says(subject: DecisionSubject, rule: str, verdict: Verdict, reason: str) -> None:
    told = found_by(subject, rule)
    assert (told.verdict, reason in told.reason) == (verdict, True), told


@pytest.mark.parametrize(
    ("platforms", "settings", "verdict"),
    [
        (["linux/amd64"], {}, Verdict.ALLOW),
        (["linux/amd64", "linux/arm64"], {}, Verdict.ASK),
        (["linux/amd64", "linux/arm64"], {"unscanned": "block"}, Verdict.BLOCK),
        (["linux/amd64", "linux/arm64"], {"unscanned": "allow"}, Verdict.INFORM),
    ],
)
def test_what_runs_on_several_platforms_is_scanned_for_one_and_that_is_said(
    platforms: list[str], settings: dict[str, Any], verdict: Verdict
) -> None:
    running = container(details={"platforms": platforms})
    subject = replace(about(scan("running", BAD), scan("1.28"), **settings), container=running)
    assert found_by(subject, "platforms").verdict is verdict
    ripe = "does not wait to ripen" in found_by(subject, "fast_track").reason
    assert ripe is (verdict in {Verdict.ALLOW, Verdict.INFORM})
    assert found_by(replace(subject, container=container()), "platforms").verdict is Verdict.ALLOW
    unknown = found_by(replace(subject, container=container(platform=None)), "platforms")
    assert (unknown.verdict, unknown.reason) == (
        Verdict.INFORM,
        "on what kind of machine it runs is not known",
    )


def test_an_allowance_ends_at_its_instant() -> None:
    subject = about(CLEAN, scan("1.28", BAD), allowed())
    assert decide(subject, SOON - timedelta(microseconds=1)).outcome is Outcome.APPLY
    assert decide(subject, SOON).outcome is Outcome.BLOCKED


def test_an_allowed_one_still_counts_at_its_other_severity_where_one_place_is_not_allowed() -> None:
    """One entry of the difference stands for both, and the excuse is for one of them."""
    elsewhere = replace(BAD, purl="pkg:apk/alpine/openssl@9", severity=Severity.HIGH)
    document = openvex(products=[{"@id": IMAGE, "subcomponents": [{"@id": "pkg:apk/alpine/openssl@1"}]}])
    told = found_by(about(CLEAN, scan("1.28", BAD, elsewhere), document), "vulnerabilities")
    assert (told.verdict, "it brings 1 new high" in told.reason) == (Verdict.BLOCK, True), told


def test_what_is_excused_in_what_runs_makes_nothing_urgent() -> None:
    running, better = scan("running", BAD), scan("1.28")
    assert decide(about(running, better), NOW).urgency == 4
    assert "fixes 1 critical" in found_by(about(running, better), "fast_track").reason
    excused = about(running, better, allowed())
    assert decide(excused, NOW).urgency == 0
    assert "nothing that would make it urgent" in found_by(excused, "fast_track").reason


@pytest.mark.parametrize(
    "settings", [{"critical_allowed": 0}, {"secrets": "ask"}, {"end_of_life": "block"}], ids=str
)
def test_what_a_gate_speaks_against_is_not_on_the_fast_track(settings: dict[str, Any]) -> None:
    offered = scan("1.28", WORSE, secrets=1, found_secrets=(TOKEN,), **OLD)
    subject = about(scan("running", BAD, WORSE), offered, min_age="30d")
    assert found_by(subject, "age").verdict is Verdict.ALLOW
    strict = about(scan("running", BAD, WORSE), offered, min_age="30d", **settings)
    assert found_by(strict, "age").verdict is not Verdict.ALLOW


PLACES = [
    ({}, True),
    ({"workload": "alpha/web"}, True),
    ({"workload": "*/web"}, True),
    ({"workload": "beta/web"}, False),
    ({"project": "shop"}, True),
    ({"project": "alpha/shop"}, True),
    ({"project": "beta/*"}, False),
    ({"project": "shop", "workload": "alpha/db"}, False),
]


@pytest.mark.parametrize(("scope", "covered"), PLACES, ids=str)
def test_an_allowance_is_for_its_workloads(scope: dict[str, Any], covered: bool) -> None:
    assert allowed(**scope).covers("alpha", "web", "shop") is covered


def test_one_for_a_project_is_not_for_what_has_none() -> None:
    assert not allowed(project="*").covers("alpha", "web", None)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"finding": "CVE-*"}, "not one vulnerability"),
        ({"finding": ""}, "not one vulnerability"),
        ({"reason": " "}, "say why"),
        ({"reason": "so " * 70}, "has 210 characters, and 200 stand in an account"),
        ({"expires_at": NOW + timedelta(days=367)}, "a year is the longest"),
    ],
)
def test_an_allowance_that_says_too_little_is_refused(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidInputError, match=sentence):
        replace(allowed(), **given).checked(NOW)


def test_a_longer_one_must_be_said_in_so_many_words() -> None:
    long = allowed(until=NOW + timedelta(days=800))
    assert long.checked(NOW, beyond_a_year=True) == long


IMAGE = f"pkg:oci/nginx@{digest('1.28')}?repository_url=docker.io/library/nginx"


def openvex(status: str = "not_affected", **given: Any) -> str:
    statement = {
        "vulnerability": {"name": BAD.id},
        "products": [{"@id": IMAGE}],
        "status": status,
        "justification": "vulnerable_code_not_in_execute_path",
        **given,
    }
    context = "https://openvex.dev/ns/v0.2.0"
    return json.dumps({"@context": context, "timestamp": "2026-01-01T00:00:00Z", "statements": [statement]})


def test_a_statement_is_cited_with_its_document() -> None:
    document = openvex()
    subject = about(CLEAN, scan("1.28", BAD), document)
    assert found_by(subject, "vulnerabilities").verdict is Verdict.ALLOW
    sha256 = read_document("vendor", document).sha256[:12]
    assert found_by(subject, "excused").reason == (
        "CVE-2026-1 in openssl: not affected (vulnerable_code_not_in_execute_path), by statement 1 of vendor "
        f"(sha256 {sha256})"
    )


def test_one_document_that_says_it_is_affected_is_enough_for_it_to_count() -> None:
    subject = about(CLEAN, scan("1.28", BAD), openvex(), openvex("affected"))
    assert found_by(subject, "vulnerabilities").verdict is Verdict.BLOCK


def test_a_document_that_is_not_there_excuses_nothing_and_that_is_said() -> None:
    subject = replace(about(CLEAN, scan("1.28", BAD), vex=["vendor"]), excuses=Excuses(missing=("vendor",)))
    assert found_by(subject, "vulnerabilities").verdict is Verdict.BLOCK
    assert (
        "there is no VEX document 'vendor' that can be read, which the policy of the host alpha names"
        in found_by(subject, "excused").reason
    )


EXPIRIES = [
    ("90d", NOW + timedelta(days=90)),
    ("2026-12-24", datetime(2026, 12, 24, tzinfo=UTC)),
    ("2026-12-24T12:00+05:00", datetime(2026, 12, 24, 7, tzinfo=UTC)),
]


@pytest.mark.parametrize(("text", "at"), EXPIRIES, ids=[row[0] for row in EXPIRIES])
def test_an_expiry_is_read_in_utc(text: str, at: datetime) -> None:
    expiry = read_expiry(text, NOW)
    assert (expiry, expiry.tzinfo) == (at, UTC)


@pytest.mark.parametrize("text", ["soon", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "-1d"])
def test_an_expiry_that_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError, match="is no time: write 90d"):
        read_expiry(text, NOW)
