"""From facts to a decision: what each rule says, and what all of them together come to."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from uptainer.core.enums import (
    ChangeLevel,
    CheckResult,
    ContainerStatus,
    Health,
    PolicyMode,
    PolicyScope,
    RecommendationType,
    ScanStatus,
    Severity,
    UpdateStatus,
)
from uptainer.core.errors import InvalidInputError
from uptainer.core.findings import Advice, Finding, Scan, ScanDifference, Verdict, Vulnerability
from uptainer.core.images import Candidate
from uptainer.core.reference import Reference
from uptainer.core.workloads import ContainerFacts
from uptainer.policy.decisions import Decision, Outcome, choose, decide, explain
from uptainer.policy.labels import LabelFault
from uptainer.policy.layers import Layer, merge
from uptainer.policy.rules import CANDIDATE_RULES, STATE_RULES
from uptainer.policy.settings import EffectivePolicy, parse_settings
from uptainer.policy.subjects import DecisionSubject, EarlierUpdate, OpenUpdate

NOW = datetime(2026, 1, 14, 12, tzinfo=UTC)  # a Wednesday
NEW = "sha256:" + "b" * 64
OTHER = "sha256:" + "c" * 64
FRIDAY = "Fri 22:00-05:00 UTC"


def policy(**settings: Any) -> EffectivePolicy:
    return merge([Layer(PolicyScope.HOST, "prod", parse_settings(settings))])


AUTO = policy(mode="auto")
MANUAL = policy(mode="manual")
CONTAINER = ContainerFacts(
    key="web", runtime_id="1", name="web", image_reference="nginx:1.27.2", image_id="sha256:a", repo_digests=(),
    status=ContainerStatus.RUNNING, health=Health.NONE, restart_count=0, platform=None, created_at=NOW,
)  # fmt: skip
CANDIDATE = Candidate(
    Reference.parse("nginx:1.27.4"), NEW, ChangeLevel.PATCH, "1.27.4", NOW - timedelta(days=2)
)
SCAN = Scan(NEW, "linux/amd64", ScanStatus.SUCCEEDED)


def cve(name: str, severity: Severity) -> Vulnerability:
    return Vulnerability(name, "openssl", "3.0.1", "3.0.2", severity)


CRITICAL, HIGH, LOW = (cve(f"CVE-{each}", each) for each in (Severity.CRITICAL, Severity.HIGH, Severity.LOW))


def difference(
    new: tuple[Vulnerability, ...] = (),
    fixed: tuple[Vulnerability, ...] = (),
    worse: tuple[tuple[Vulnerability, Vulnerability], ...] = (),
) -> ScanDifference:
    return ScanDifference(new, fixed, worse, ())


BASE = DecisionSubject(
    container=CONTAINER, policy=AUTO, check=CheckResult.CANDIDATES, candidate=CANDIDATE,
    advice=Advice(RecommendationType.APPLY, 10, ()), running_scan=SCAN, candidate_scan=SCAN, difference=difference(),
)  # fmt: skip


def about(**changes: Any) -> DecisionSubject:
    return replace(BASE, **changes)


def nothing_newer(check: CheckResult, **changes: Any) -> DecisionSubject:
    return about(check=check, candidate=None, difference=None, **changes)


def earlier(status: UpdateStatus, digest: str = NEW, days: int = 1) -> EarlierUpdate:
    return EarlierUpdate(digest, status, NOW - timedelta(days=days), "it was unhealthy")


def finding(decision: Decision, rule: str) -> Finding:
    return next(each for each in decision.findings if each.rule == rule)


FAULT = LabelFault("uptainer.enable", "fasle", "write true or false")

ARGO = {
    "kind": "gitops",
    "name": "the Argo CD application shop",
    "advice": "change the image in its repository",
}
HELM = {"kind": "helm", "name": "the Helm release web", "advice": "change it by helm upgrade"}


def of(owner: dict[str, str]) -> ContainerFacts:
    return replace(CONTAINER, details={"owner": owner})


DECISIONS: list[tuple[str, DecisionSubject, Outcome, str, str]] = [
    ("an automatic one goes ahead", BASE, Outcome.APPLY, "mode", "without asking"),
    ("manual asks", about(policy=MANUAL), Outcome.ASK, "mode", "by the policy of the host prod"),
    ("manual, approved", about(policy=MANUAL, approved=True), Outcome.APPLY, "mode", "must approve"),
    ("notify tells", about(policy=policy(mode="notify")), Outcome.NOTIFY, "mode", "told of and not applied"),
    ("notify, approved all the same", about(policy=policy(mode="notify"), approved=True), Outcome.APPLY, "mode", "told of"),
    ("notify does not wait for a window", about(policy=policy(mode="notify", windows=[FRIDAY])), Outcome.NOTIFY, "window", "opens at"),
    ("off", about(policy=policy(mode="off")), Outcome.NONE, "enabled", "the mode is off, by the policy of the host prod"),
    ("not enabled", about(policy=policy(mode="auto", enabled=False)), Outcome.NONE, "enabled", "switched off by the policy of the host prod"),
    ("up to date", nothing_newer(CheckResult.UP_TO_DATE), Outcome.NONE, "lookup", "up to date"),
    ("local only", nothing_newer(CheckResult.LOCAL_ONLY), Outcome.NONE, "lookup", "only on this host"),
    ("pinned", nothing_newer(CheckResult.PINNED), Outcome.NONE, "lookup", "pinned by digest"),
    ("excluded", nothing_newer(CheckResult.EXCLUDED), Outcome.NONE, "lookup", "excluded"),
    ("unknown is never up to date", nothing_newer(CheckResult.UNKNOWN, check_reason="429"), Outcome.BLOCKED, "lookup", "not known whether there is a newer image: 429"),
    ("a wrong label asks", about(label_faults=(FAULT,)), Outcome.ASK, "labels", "the label uptainer.enable='fasle' is not followed: write true or false"),
    ("itself", about(is_self=True), Outcome.BLOCKED, "self", "runs Uptainer itself"),
    ("held by its repository", about(container=of(ARGO)), Outcome.BLOCKED, "owner", "belongs to the Argo CD application shop, and `gitops` is report, by the built-in default; a change from here"),
    ("held by its repository, approved", about(container=of(ARGO), approved=True), Outcome.BLOCKED, "owner", "so change the image in its repository"),
    ("held by its repository, and the policy overrules that", about(container=of(ARGO), policy=policy(mode="auto", gitops="update")), Outcome.APPLY, "owner", "updated all the same, by the policy of the host prod"),
    ("of a Helm release", about(container=of(HELM), policy=policy(mode="auto", gitops="update")), Outcome.BLOCKED, "owner", "belongs to the Helm release web; a change from here"),
    ("snoozed", about(snoozed_until=NOW + timedelta(hours=1)), Outcome.WAITING, "snooze", "until 2026-01-14 13:00 UTC"),
    ("snooze over", about(snoozed_until=NOW), Outcome.APPLY, "snooze", "not snoozed"),
    ("window closed", about(policy=policy(mode="auto", windows=[FRIDAY])), Outcome.WAITING, "window", "opens at 2026-01-16 22:00 UTC"),
    ("window open", about(policy=policy(mode="auto", windows=["Wed 11:00-13:00 UTC"])), Outcome.APPLY, "window", "is open"),
    ("a closed window does not hold up the question", about(policy=policy(mode="manual", windows=[FRIDAY])), Outcome.ASK, "window", "opens at"),
    ("approved, and the window closed", about(policy=policy(mode="manual", windows=[FRIDAY]), approved=True), Outcome.WAITING, "window", "opens at"),
    ("frozen", about(policy=policy(mode="auto", freezes=["Wed 00:00-24:00 UTC"])), Outcome.WAITING, "window", "opens at 2026-01-15 00:00 UTC"),
    ("no window ever", about(policy=policy(mode="auto", windows=["2020-01-01 00:00 to 2020-01-02 00:00 UTC"])), Outcome.BLOCKED, "window", "within 5 years"),
    ("level beyond", about(policy=policy(mode="auto", level="digest")), Outcome.BLOCKED, "level", "a patch change is beyond digest"),
    ("level not automatic", about(policy=policy(mode="auto", auto_level="digest")), Outcome.ASK, "level", "not applied without asking"),
    ("no level automatic", about(policy=policy(mode="auto", auto_level="none")), Outcome.ASK, "level", "not applied without asking"),
    ("major asks by default", about(candidate=replace(CANDIDATE, level=ChangeLevel.MAJOR)), Outcome.ASK, "level", "by the built-in default"),
    ("tags without an order ask", about(candidate=replace(CANDIDATE, level=ChangeLevel.UNORDERED)), Outcome.ASK, "level", "cannot be compared"),
    ("too young", about(policy=policy(mode="auto", min_age="3d")), Outcome.WAITING, "age", "reaches at 2026-01-15 12:00 UTC"),
    ("old enough", about(policy=policy(mode="auto", min_age="2d")), Outcome.APPLY, "age", "published at 2026-01-12 12:00 UTC"),
    ("a made-up date is not its age", about(policy=policy(mode="auto", min_age="3d"), candidate=replace(CANDIDATE, published_at=datetime(1980, 1, 1, tzinfo=UTC)), first_seen_at=NOW), Outcome.WAITING, "age", "2026-01-17 12:00 UTC"),
    ("a date to come is not its age", about(policy=policy(mode="auto", min_age="3d"), candidate=replace(CANDIDATE, published_at=NOW + timedelta(days=1)), first_seen_at=NOW), Outcome.WAITING, "age", "2026-01-17"),
    ("unknown age asks", about(policy=policy(mode="auto", min_age="3d"), candidate=replace(CANDIDATE, published_at=None)), Outcome.ASK, "age", "not known when it was published"),
    ("a rejected digest is not offered again", about(earlier=(earlier(UpdateStatus.REJECTED),)), Outcome.BLOCKED, "earlier", "was rejected at 2026-01-13 12:00 UTC (it was unhealthy)"),
    ("a rolled back digest is not offered again", about(earlier=(earlier(UpdateStatus.ROLLED_BACK),), approved=True), Outcome.BLOCKED, "earlier", "rolled back"),
    ("a failed rollback is not repeated", about(earlier=(earlier(UpdateStatus.ROLLBACK_FAILED),)), Outcome.BLOCKED, "earlier", "rollback failed"),
    ("a failure asks", about(earlier=(earlier(UpdateStatus.FAILED),)), Outcome.ASK, "earlier", "failed at"),
    ("a rejection before a failure still counts", about(earlier=(earlier(UpdateStatus.REJECTED, days=9), earlier(UpdateStatus.FAILED))), Outcome.BLOCKED, "earlier", "rejected"),
    ("an expired one is offered again", about(earlier=(earlier(UpdateStatus.EXPIRED),)), Outcome.APPLY, "earlier", "not refused"),
    ("another digest's rejection is nothing to this one", about(earlier=(earlier(UpdateStatus.REJECTED, OTHER),)), Outcome.APPLY, "earlier", "not refused"),
    ("skipped version", about(skipped=frozenset({"1.27.4"})), Outcome.BLOCKED, "skip", "1.27.4 was skipped"),
    ("skipped digest", about(skipped=frozenset({NEW})), Outcome.BLOCKED, "skip", "was skipped"),
    ("a moved tag is not the skipped one", about(skipped=frozenset({"1.27.4"}), candidate=replace(CANDIDATE, level=ChangeLevel.DIGEST)), Outcome.APPLY, "skip", "not skipped"),
    ("another update runs", about(open_update=OpenUpdate(7, OTHER, UpdateStatus.APPLYING)), Outcome.WAITING, "open_update", "update 7 of it is applying"),
    ("the same is already offered", about(open_update=OpenUpdate(7, NEW, UpdateStatus.AWAITING_APPROVAL)), Outcome.WAITING, "open_update", "already offers"),
    ("a waiting one is superseded", about(open_update=OpenUpdate(7, OTHER, UpdateStatus.AWAITING_APPROVAL)), Outcome.APPLY, "open_update", "takes the place of update 7"),
    ("new critical", about(difference=difference(new=(CRITICAL,))), Outcome.BLOCKED, "vulnerabilities", "1 new critical: CVE-critical in openssl; 0 are allowed by the built-in default"),
    ("new high, approved all the same", about(difference=difference(new=(HIGH,)), approved=True), Outcome.BLOCKED, "vulnerabilities", "1 new high"),
    ("one high allowed", about(policy=policy(mode="auto", new_high_allowed=1), difference=difference(new=(HIGH,))), Outcome.APPLY, "vulnerabilities", "it brings 1 high"),
    ("any high allowed", about(policy=policy(mode="auto", new_high_allowed="any"), difference=difference(new=(HIGH, HIGH))), Outcome.APPLY, "vulnerabilities", "it brings 2 high"),
    ("one that got worse counts as new", about(difference=difference(worse=((LOW, CRITICAL),))), Outcome.BLOCKED, "vulnerabilities", "1 new critical"),
    ("new low does not block", about(difference=difference(new=(LOW,))), Outcome.APPLY, "vulnerabilities", "it brings 1 low, fixes nothing known"),
    ("not scanned asks", about(difference=None, candidate_scan=replace(SCAN, status=ScanStatus.UNAVAILABLE, reason="no Trivy")), Outcome.ASK, "vulnerabilities", "the scan of the candidate is unavailable: no Trivy"),
    ("not scanned blocks", about(policy=policy(mode="auto", unscanned="block"), difference=None, candidate_scan=None), Outcome.BLOCKED, "vulnerabilities", "the candidate has not been scanned"),
    ("not scanned is allowed", about(policy=policy(mode="auto", unscanned="allow"), difference=None, running_scan=replace(SCAN, status=ScanStatus.FAILED)), Outcome.APPLY, "vulnerabilities", "the scan of what runs failed"),
    ("a critical fix does not wait to ripen", about(policy=policy(mode="auto", min_age="30d"), difference=difference(fixed=(CRITICAL,))), Outcome.APPLY, "fast_track", "it fixes 1 critical (CVE-critical in openssl)"),
    ("a high fix waits, for only critical is fast", about(policy=policy(mode="auto", min_age="30d"), difference=difference(fixed=(HIGH,))), Outcome.WAITING, "fast_track", "nothing that would make it urgent"),
    ("a high fix is fast where the policy says so", about(policy=policy(mode="auto", min_age="30d", fast_track="high"), difference=difference(fixed=(HIGH,))), Outcome.APPLY, "age", "does not wait"),
    ("nothing is fast", about(policy=policy(mode="auto", min_age="30d", fast_track="never"), difference=difference(fixed=(CRITICAL,))), Outcome.WAITING, "age", "reaches at"),
    ("a fix that brings a critical is not fast", about(policy=policy(mode="auto", min_age="30d"), difference=difference(new=(CRITICAL,), fixed=(CRITICAL,))), Outcome.BLOCKED, "age", "reaches at"),
    ("fast track does not bypass approval", about(policy=MANUAL, difference=difference(fixed=(CRITICAL,))), Outcome.ASK, "mode", "must approve"),
    ("fast track unattended does", about(policy=policy(mode="manual", fast_track_unattended=True), difference=difference(fixed=(CRITICAL,))), Outcome.APPLY, "mode", "what it fixes is applied without asking"),
    ("fast track unattended still waits for the window", about(policy=policy(mode="manual", fast_track_unattended=True, windows=[FRIDAY]), difference=difference(fixed=(CRITICAL,))), Outcome.WAITING, "window", "opens at"),
    ("unattended without a fix asks", about(policy=policy(mode="manual", fast_track_unattended=True)), Outcome.ASK, "mode", "must approve"),
    ("recommended", about(policy=policy(mode="auto_if_recommended")), Outcome.APPLY, "advice", "the advice is to apply, at a risk of 10 of 100"),
    ("not recommended asks", about(policy=policy(mode="auto_if_recommended"), advice=Advice(RecommendationType.REVIEW, 50, ())), Outcome.ASK, "advice", "to review"),
    ("no advice asks", about(policy=policy(mode="auto_if_recommended"), advice=None), Outcome.ASK, "advice", "no advice"),
    ("plain auto goes by its own rules", about(advice=Advice(RecommendationType.HOLD, 90, ())), Outcome.APPLY, "advice", "to hold"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("subject", "outcome", "rule", "reason"),
    [case[1:] for case in DECISIONS],
    ids=[case[0] for case in DECISIONS],
)
def test_a_decision(subject: DecisionSubject, outcome: Outcome, rule: str, reason: str) -> None:
    decision = decide(subject, NOW)
    assert decision.outcome is outcome, explain(decision)
    assert reason in finding(decision, rule).reason


@pytest.mark.parametrize("subject", [case[1] for case in DECISIONS], ids=[case[0] for case in DECISIONS])
def test_all_rules_run_and_every_finding_is_kept_and_said(subject: DecisionSubject) -> None:
    decision = decide(subject, NOW)
    rules = len(STATE_RULES) + (len(CANDIDATE_RULES) if subject.candidate else 0)
    assert len({each.rule for each in decision.findings}) == len(decision.findings) == rules
    told = explain(decision)
    assert all(each.reason in told for each in decision.findings)


def test_an_explanation_begins_with_what_was_decided_and_the_findings_that_decided_it() -> None:
    lines = explain(decide(about(policy=policy(mode="auto", level="digest", min_age="3d")), NOW)).splitlines()
    assert lines[0] == "blocked nginx:1.27.4 (sha256:bbbbbbbbbbbb)"
    assert lines[1].split()[:2] == ["block", "level:"]
    assert lines[2].split()[:2] == ["wait", "age:"]


def test_a_decision_waits_until_the_last_of_what_it_waits_for() -> None:
    waiting = decide(about(policy=policy(mode="auto", min_age="3d", windows=[FRIDAY])), NOW)
    assert waiting.until == datetime(2026, 1, 16, 22, tzinfo=UTC)
    assert not waiting.waits_for_window
    assert decide(about(policy=policy(mode="auto", windows=[FRIDAY])), NOW).waits_for_window


def test_when_something_without_a_time_is_waited_for_no_time_is_given() -> None:
    other = OpenUpdate(7, OTHER, UpdateStatus.APPLYING)
    assert decide(about(open_update=other, snoozed_until=NOW + timedelta(days=1)), NOW).until is None
    assert decide(BASE, NOW).until is None


@pytest.mark.parametrize(("fixed", "urgency"), [((), 0), ((LOW,), 1), ((LOW, HIGH), 3), ((CRITICAL, LOW), 4)])
def test_the_urgency_is_that_of_the_worst_that_is_fixed(
    fixed: tuple[Vulnerability, ...], urgency: int
) -> None:
    assert decide(about(difference=difference(fixed=fixed)), NOW).urgency == urgency


def offer(level: ChangeLevel, tag: str, policy: EffectivePolicy = AUTO, **changes: Any) -> DecisionSubject:
    return about(
        candidate=replace(CANDIDATE, level=level, reference=Reference.parse(f"nginx:{tag}"), version=tag),
        policy=policy,
        **changes,
    )


DIGEST, PATCH, MINOR, MAJOR = ChangeLevel.DIGEST, ChangeLevel.PATCH, ChangeLevel.MINOR, ChangeLevel.MAJOR
CHOICES: list[tuple[str, list[DecisionSubject], str]] = [
    ("the highest that may be applied", [offer(DIGEST, "1.27.2"), offer(PATCH, "1.27.4"), offer(MINOR, "1.28.0")], "1.28.0"),
    ("a patch before a major that must be asked", [offer(MAJOR, "2.0.0"), offer(PATCH, "1.27.4")], "1.27.4"),
    ("a blocked one gives way", [offer(MINOR, "1.28.0", skipped=frozenset({"1.28.0"})), offer(PATCH, "1.27.4")], "1.27.4"),
    ("within a level the first given", [offer(PATCH, "1.27.5"), offer(PATCH, "1.27.4")], "1.27.5"),
    ("by hand, the highest", [offer(PATCH, "1.27.4", MANUAL), offer(MAJOR, "2.0.0", MANUAL)], "2.0.0"),
    ("one that waits for its window before a question", [offer(MAJOR, "2.0.0", policy(mode="auto", windows=[FRIDAY])), offer(PATCH, "1.27.4", policy(mode="auto", windows=[FRIDAY]))], "1.27.4"),
    ("a question before one that must ripen", [offer(MAJOR, "2.0.0", policy(mode="auto")), offer(PATCH, "1.27.4", policy(mode="auto", min_age="9d"))], "2.0.0"),
    ("an unordered one comes last", [offer(ChangeLevel.UNORDERED, "edge", MANUAL), offer(DIGEST, "1.27.2", MANUAL)], "1.27.2"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("subjects", "tag"), [case[1:] for case in CHOICES], ids=[case[0] for case in CHOICES]
)
def test_the_best_candidate_is_chosen_and_the_others_are_kept(
    subjects: list[DecisionSubject], tag: str
) -> None:
    best, *others = choose(subjects, NOW)
    assert best.candidate is not None
    assert best.candidate.reference.tag == tag
    assert len(others) == len(subjects) - 1


def test_there_must_be_something_to_choose_from() -> None:
    with pytest.raises(InvalidInputError, match="nothing to choose from"):
        choose([], NOW)


def test_the_default_policy_asks_before_everything() -> None:
    assert merge([]).mode is PolicyMode.MANUAL
    assert decide(about(policy=merge([])), NOW).outcome is Outcome.ASK
    assert finding(decide(about(policy=merge([])), NOW), "mode").verdict is Verdict.ASK
