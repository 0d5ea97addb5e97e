from dataclasses import replace
from datetime import timedelta

import pytest

from tests.contract.store.conftest import Fleet
from tests.lab.facts import NOW
from uptainer.core.enums import (
    BackupStatus,
    Health,
    NotificationStatus,
    PolicyScope,
    RecommendationType,
    ScanStatus,
    Severity,
)
from uptainer.core.errors import NotFoundError
from uptainer.core.findings import Advice, Finding, Scan, Secret, Verdict, Vulnerability
from uptainer.notices.notice import host_turned
from uptainer.store.database import Database
from uptainer.store.repositories.audit import Actor, AuditRepository
from uptainer.store.repositories.backups import BackupRepository
from uptainer.store.repositories.containers import ContainerRepository
from uptainer.store.repositories.health import HealthRepository, Observation, Turn
from uptainer.store.repositories.notices import NoticeRepository, Route
from uptainer.store.repositories.policies import PolicyRepository
from uptainer.store.repositories.recommendations import RecommendationRepository
from uptainer.store.repositories.scans import ScanRepository

ALICE = Actor("alice", authenticated=True)
LATER = NOW + timedelta(minutes=10)
CRITICAL = Vulnerability(
    "CVE-2026-1",
    "openssl",
    "3.0.1",
    "3.0.2",
    Severity.CRITICAL,
    title="it \0 breaks",
    target="nginx (alpine)",
    url="https://example.org/1",
    score=9.8,
    published_at=NOW,
    purl="pkg:apk/alpine/openssl@3.0.1",
)
LOW = Vulnerability("CVE-2026-2", "busybox", "1.36", "", Severity.LOW)


def running_image(database: Database) -> tuple[int, Scan]:
    with database.session() as session:
        image = ContainerRepository(session).by_address("web").image
    assert image is not None
    return image.id, Scan(image.digest, image.platform, ScanStatus.SUCCEEDED, scanned_at=NOW)


def test_a_scan_is_read_back_whole_the_worst_first(database: Database, fleet: Fleet) -> None:
    pk, empty = running_image(database)
    scan = replace(
        empty,
        vulnerabilities=(LOW, CRITICAL),
        os_family="alpine",
        os_version="3.20",
        end_of_life=False,
        secrets=1,
        found_secrets=(Secret("github-pat", "/app/.env", 3, Severity.CRITICAL, "GitHub token"),),
        scanner_version="0.76",
        database_at=NOW,
    )
    with database.session() as session:
        kept = ScanRepository(session).record(scan, pk, LATER)
        assert kept.counts == {"unknown": 0, "low": 1, "medium": 0, "high": 0, "critical": 1}
    with database.session() as session:
        found = ScanRepository(session).standing([pk])[pk]
    readable = replace(CRITICAL, title="it \N{REPLACEMENT CHARACTER} breaks")
    assert found == replace(scan, vulnerabilities=(readable, LOW))


def test_a_scan_that_failed_takes_nothing_back_and_is_told_of(database: Database, fleet: Fleet) -> None:
    pk, scan = running_image(database)
    failed = replace(scan, status=ScanStatus.FAILED, reason="no database", scanned_at=LATER)
    with database.session() as session:
        scans = ScanRepository(session)
        for each in (scan, failed):
            scans.record(each, pk, NOW)
        assert scans.statuses([pk]) == {pk: ScanStatus.FAILED}
        stands = scans.standing([pk])[pk]
        assert (stands.status, stands.secrets) == (ScanStatus.SUCCEEDED, scan.secrets)
        assert stands.failed_since == "no database"
        assert [view.scan.status for view in scans.listing(name="NGINX")] == [failed.status, scan.status]
        assert scans.listing(name="redis") == []


def test_that_nobody_looked_for_secrets_is_kept_as_such(database: Database, fleet: Fleet) -> None:
    pk, scan = running_image(database)
    with database.session() as session:
        scans = ScanRepository(session)
        scans.record_none([pk], ScanStatus.UNAVAILABLE, "no scanner", NOW)
        assert scans.standing([pk])[pk].secrets is None
        scans.record(replace(scan, secrets=0, scanned_at=LATER), pk, LATER)
        assert scans.standing([pk])[pk].secrets == 0


def test_an_image_without_a_scan_has_none_rather_than_an_empty_one(database: Database, fleet: Fleet) -> None:
    pk, _ = running_image(database)
    with database.session() as session:
        assert ScanRepository(session).standing([pk]) == {}


def test_advice_is_read_back_as_it_was_given_and_kept_once_while_it_stays(
    database: Database, fleet: Fleet
) -> None:
    waiting = Finding("age", Verdict.WAIT, "two days old", until=LATER)
    advice = Advice(
        RecommendationType.REVIEW, 40, (waiting, Finding("cve", Verdict.ALLOW, "fixes 3")), "look at it"
    )
    stricter = replace(advice, recommendation=RecommendationType.HOLD, source="rules+model")
    with database.session() as session:
        number = fleet.find(session, "web", "1.28")[0]
        advised = RecommendationRepository(session)
        for each in (advice, advice, stricter):
            advised.record({number: each}, NOW)
            assert advised.latest([number]) == {number: each}


def test_health_is_a_row_for_each_turn_stretched_while_nothing_changes(
    database: Database, fleet: Fleet
) -> None:
    web = fleet.ids["web"]
    well = Observation(web, Health.HEALTHY, "200 OK", ({"probe": "http", "ok": True},))
    ill = Observation(web, Health.UNHEALTHY, "503")
    with database.session() as session:
        health = HealthRepository(session)
        assert health.observe([well], NOW) == (Turn(web, None, Health.HEALTHY, "200 OK"),)
        assert health.observe([replace(well, reason="204")], LATER) == ()
        assert health.observe([ill], LATER) == (
            Turn(web, Health.HEALTHY, Health.UNHEALTHY, "503", known=Health.HEALTHY),
        )
    with database.session() as session:
        rows = HealthRepository(session).history(web)
    assert [(row.status, row.reason, row.observations, row.first_at, row.last_at) for row in rows] == [
        (Health.UNHEALTHY, "503", 1, LATER, LATER),
        (Health.HEALTHY, "204", 2, NOW, LATER),
    ]


def test_the_same_thing_is_told_once(database: Database) -> None:
    notice = host_turned("alpha", reachable=False, reason="refused", at=NOW)
    with database.session() as session:
        notices = NoticeRepository(session)
        assert notices.put(notice)
        assert not notices.put(notice)
        (row,) = notices.unrouted()
        assert (row.payload["text"], row.hosts) == ("alpha does not answer: refused", ["alpha"])
        for _ in range(2):
            notices.route({row.id: [Route("mail", NOW), Route("chat", NOW)]}, NOW)
        assert notices.unrouted() == []
        assert notices.notifiers_due(NOW) == ["chat", "mail"]
    with database.session() as session:
        notices = NoticeRepository(session)
        first = notices.next_batch("mail", NOW)
        assert first
        notices.trying(first, LATER)
        notices.failed(first, "no route", for_good=False)
        assert notices.next_batch("mail", NOW) is None
        again = notices.next_batch("mail", LATER)
        assert again
        assert (again.mark, again.attempt, again.deliveries) == (first.mark, 2, first.deliveries)
        notices.trying(again, LATER)
        notices.sent(again, LATER)
        assert notices.next_batch("mail", LATER) is None
        assert not notices.put(notice)
        ((_, told),) = notices.listing(failed=False)
    assert [(each.notifier, each.status, each.attempts, each.error) for each in told] == [
        ("chat", NotificationStatus.PENDING, 0, None),
        ("mail", NotificationStatus.SENT, 2, None),
    ]


def test_two_processes_do_not_work_out_the_same_notice(database: Database) -> None:
    with database.session() as session:
        NoticeRepository(session).put(host_turned("alpha", reachable=False, reason="refused", at=NOW))
    with database.session() as first, database.session() as second:
        assert len(NoticeRepository(first).unrouted()) == 1
        assert NoticeRepository(second).unrouted() == []


def test_a_backup_is_known_before_its_first_byte_and_restorable_after_its_last(
    database: Database, fleet: Fleet
) -> None:
    with database.session() as session:
        backups = BackupRepository(session)
        row = backups.begin(
            fleet.ids["web"],
            reason="before an update",
            image_reference="nginx:1.27",
            image_digest="sha256:a",
            image_id="sha256:b",
            configuration={"Env": ["A=1"]},
            location="/backups/1",
            now=NOW,
        )
        assert row.status is BackupStatus.RUNNING
        assert backups.latest(fleet.ids["web"]) is None
        backups.finish(row.id, [{"mount": "/data", "bytes": 3, "sha256": "x"}], size=3, now=LATER)
        backups.verified(row.id, LATER)
        latest = backups.latest(fleet.ids["web"])
        assert latest is not None
        assert (latest.size, latest.verified_at, latest.archives[0]["mount"]) == (3, LATER, "/data")
        assert [address for _, address in backups.listing(host="alpha")] == ["alpha/web"]
        backups.pruned(row.id)
        assert backups.latest(fleet.ids["web"]) is None
        with pytest.raises(NotFoundError, match="no backup 99"):
            backups.fail(99, "gone", NOW)


def test_policies_come_the_most_general_first_and_each_change_is_audited(database: Database) -> None:
    with database.session() as session:
        policies = PolicyRepository(session)
        for scope, target in (
            (PolicyScope.CONTAINER, "alpha/web"),
            (PolicyScope.DEFAULT, ""),
            (PolicyScope.HOST, "alpha"),
        ):
            policies.put_policy(scope, target, {"mode": "manual"}, actor=ALICE, now=NOW)
        policies.put_policy(
            PolicyScope.HOST, "alpha", {"mode": "auto"}, actor=ALICE, now=LATER, enabled=False
        )
        assert [row.scope for row in policies.policies()] == [PolicyScope.DEFAULT, PolicyScope.CONTAINER]
        assert policies.policies(enabled_only=False)[1].settings == {"mode": "auto"}
        policies.remove_policy(PolicyScope.DEFAULT, "", actor=ALICE)
        with pytest.raises(NotFoundError, match="no policy for default"):
            policies.remove_policy(PolicyScope.DEFAULT, "", actor=ALICE)
        with pytest.raises(NotFoundError, match=r"for container 'alpha/gone'$"):
            policies.remove_policy(PolicyScope.CONTAINER, "alpha/gone", actor=ALICE)
        assert [row.action for row in AuditRepository(session).listing()] == ["policy.removed"] + [
            "policy.put"
        ] * 4


def test_windows_and_credentials_are_put_and_removed_by_name(database: Database) -> None:
    with database.session() as session:
        policies = PolicyRepository(session)
        policies.put_window("nights", {"rrule": "FREQ=DAILY"}, actor=ALICE)
        policies.put_window("nights", {"rrule": "FREQ=WEEKLY"}, actor=ALICE, freeze=True)
        assert [(row.name, row.definition, row.freeze) for row in policies.windows()] == [
            ("nights", {"rrule": "FREQ=WEEKLY"}, True)
        ]
        with pytest.raises(NotFoundError, match="no window 'days'; known: nights"):
            policies.remove_window("days", actor=ALICE)
        policies.remove_window("nights", actor=ALICE)
        assert policies.windows() == []
        policies.put_credential("ghcr.io", "ghcr", actor=ALICE)
        policies.put_credential("ghcr.io", "ghcr-2", actor=ALICE)
        assert policies.credentials() == {"ghcr.io": "ghcr-2"}
        policies.remove_credential("ghcr.io", actor=ALICE)
        with pytest.raises(NotFoundError, match=r"no credentials are registered for ghcr\.io"):
            policies.remove_credential("ghcr.io", actor=ALICE)
