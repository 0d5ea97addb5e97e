from dataclasses import asdict
from datetime import datetime, timedelta

from sqlalchemy import func, select

from tests.contract.store.conftest import Fleet
from tests.lab.facts import NOW, candidate, container
from uptainer.core.enums import CheckResult, Health, ScanStatus
from uptainer.core.findings import Scan
from uptainer.notices.notice import host_turned
from uptainer.store.database import Database
from uptainer.store.models import Approval, AuditEntry, CandidateRow, Image, Update
from uptainer.store.repositories.checks import CheckRepository, Lookup
from uptainer.store.repositories.containers import ContainerRepository
from uptainer.store.repositories.health import HealthRepository, Observation
from uptainer.store.repositories.notices import NoticeRepository, Route
from uptainer.store.repositories.retention import Retention, RetentionRepository
from uptainer.store.repositories.scans import ScanRepository
from uptainer.store.repositories.updates import UpdateRepository

LONG_AFTER = NOW + timedelta(days=1000)


def live_through(database: Database, fleet: Fleet, now: datetime, status: Health, tag: str) -> None:
    """A day in the fleet: another answer, another candidate, another health, another scan."""
    web = fleet.ids["web"]
    with database.session() as session:
        result = CheckResult.UNKNOWN if tag == "none" else CheckResult.CANDIDATES
        offered = () if tag == "none" else (candidate(tag),)
        CheckRepository(session).record([Lookup(web, f"nginx:{tag}", result, "", candidates=offered)], now)
        HealthRepository(session).observe([Observation(web, status, "")], now)
        image = ContainerRepository(session).by_address("web").image
        assert image is not None
        ScanRepository(session).record(Scan(image.digest, image.platform, ScanStatus.SUCCEEDED), image, now)


def test_what_is_current_stays_however_old_it_is(database: Database, fleet: Fleet) -> None:
    live_through(database, fleet, NOW, Health.HEALTHY, "1.28")
    with database.session() as session:
        pruned = RetentionRepository(session).prune(Retention(), LONG_AFTER)
    assert set(asdict(pruned).values()) == {0}


def test_what_was_replaced_goes_when_its_time_is_over_and_not_before(
    database: Database, fleet: Fleet
) -> None:
    live_through(database, fleet, NOW, Health.HEALTHY, "1.28")
    live_through(database, fleet, NOW + timedelta(days=1), Health.UNHEALTHY, "1.29")
    with database.session() as session:
        retention = RetentionRepository(session)
        assert set(asdict(retention.prune(Retention(), NOW + timedelta(days=2))).values()) == {0}
        pruned = retention.prune(Retention(), LONG_AFTER)
    assert asdict(pruned) == {
        "checks": 1,
        "candidates": 1,
        "scans": 1,
        "health": 1,
        "notices": 0,
        "images": 1,
        "consultations": 0,
        "release_pages": 0,
    }


def test_a_failed_scan_does_not_push_out_the_last_good_one(database: Database, fleet: Fleet) -> None:
    live_through(database, fleet, NOW, Health.HEALTHY, "1.28")
    with database.session() as session:
        image = ContainerRepository(session).by_address("web").image
        assert image is not None
        failed = Scan(image.digest, image.platform, ScanStatus.FAILED, reason="no")
        ScanRepository(session).record(failed, image, NOW + timedelta(days=1))
        assert RetentionRepository(session).prune(Retention(), LONG_AFTER).scans == 0


def test_a_notice_goes_only_when_nobody_is_still_to_be_told(database: Database) -> None:
    with database.session() as session:
        notices = NoticeRepository(session)
        for host in ("told", "untold", "unrouted"):
            notices.put(host_turned(host, reachable=False, reason="", at=NOW))
        told, untold, _ = notices.unrouted()
        notices.route({each.id: [Route(each.subject, NOW)] for each in (told, untold)}, NOW)
        batch = notices.next_batch("host/told", NOW)
        assert batch
        notices.sent(batch, NOW)
        assert RetentionRepository(session).prune(Retention(), LONG_AFTER).notices == 1
        assert {row.subject for row, _ in notices.listing()} == {"host/untold", "host/unrouted"}


def test_what_was_decided_and_done_is_never_pruned(database: Database, fleet: Fleet) -> None:
    with database.session() as session:
        (number,) = fleet.find(session, "web", "1.28")
        update = UpdateRepository(session).propose([fleet.proposal("web")], NOW).created[0]
        UpdateRepository(session).amend(update.id, candidate_id=number)
        fleet.find(session, "web", "1.29")
        ContainerRepository(session).record(fleet.host_id, [container("db")], NOW)
        RetentionRepository(session).prune(Retention(), LONG_AFTER)
        for kept, count in ((Update, 1), (AuditEntry, 2), (Approval, 0)):
            assert session.scalar(select(func.count()).select_from(kept)) == count
        assert session.get(CandidateRow, number) is not None
        assert session.scalar(select(func.count()).select_from(Image)) == 3
