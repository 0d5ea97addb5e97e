from dataclasses import replace
from datetime import timedelta

from tests.contract.store.conftest import Fleet, counted_statements
from tests.lab.facts import AMD64, NOW, candidate, container, digest
from tests.lab.kept import image_of
from tests.lab.threads import side_by_side
from uptainer.core.enums import ChangeLevel, CheckResult, ScanStatus
from uptainer.core.findings import Scan
from uptainer.core.images import Candidate
from uptainer.store.database import Database
from uptainer.store.repositories.checks import CheckRecord, CheckRepository, Lookup
from uptainer.store.repositories.containers import ContainerRepository
from uptainer.store.repositories.images import ImageRepository
from uptainer.store.repositories.scans import ScanRepository

LATER = NOW + timedelta(hours=1)


def lookup(
    fleet: Fleet, *candidates: Candidate, key: str = "web", result: CheckResult | None = None
) -> Lookup:
    found = result or (CheckResult.CANDIDATES if candidates else CheckResult.UP_TO_DATE)
    return Lookup(
        fleet.ids[key],
        "nginx:1.27",
        found,
        "because",
        digest("tag"),
        "etag",
        candidates=candidates,
        platform=AMD64,
    )


def record(database: Database, *lookups: Lookup, now: object = NOW) -> CheckRecord:
    with database.session() as session:
        return CheckRepository(session).record(lookups, LATER if now is LATER else NOW)


def test_the_same_answer_again_moves_only_when_it_was_given(database: Database, fleet: Fleet) -> None:
    assert record(database, lookup(fleet)).changed == (fleet.ids["web"],)
    assert record(database, replace(lookup(fleet), reason="again", etag="new"), now=LATER).changed == ()
    with database.session() as session:
        rows = CheckRepository(session).history(fleet.ids["web"])
    assert [(row.first_checked_at, row.last_checked_at, row.reason, row.etag) for row in rows] == [
        (NOW, LATER, "again", "new")
    ]


def test_another_answer_is_another_row_and_only_the_last_is_current(database: Database, fleet: Fleet) -> None:
    record(database, lookup(fleet))
    record(database, lookup(fleet, result=CheckResult.UNKNOWN), now=LATER)
    with database.session() as session:
        rows = CheckRepository(session).history(fleet.ids["web"])
    assert [(row.result, row.current) for row in rows] == [
        (CheckResult.UNKNOWN, True),
        (CheckResult.UP_TO_DATE, False),
    ]


def test_a_decision_is_kept_with_the_answer_it_was_made_on_until_the_next_one(
    database: Database, fleet: Fleet
) -> None:
    record(database, lookup(fleet))
    with database.session() as session:
        CheckRepository(session).keep_decisions({fleet.ids["web"]: {"outcome": "nothing"}})
    record(database, lookup(fleet), now=LATER)
    with database.session() as session:
        current = CheckRepository(session).current([fleet.ids["web"]])
    assert current[fleet.ids["web"]].decision == {"outcome": "nothing"}


def test_a_candidate_keeps_its_id_while_it_is_offered(database: Database, fleet: Fleet) -> None:
    first = record(database, lookup(fleet, candidate("1.28"))).candidates[fleet.ids["web"]]
    again = record(database, lookup(fleet, candidate("1.28"), candidate("1.29")), now=LATER)
    found = {row.version: row for row in again.candidates[fleet.ids["web"]]}
    assert found["1.28"].id == first[0].id
    assert (found["1.28"].found_at, found["1.28"].last_seen_at) == (NOW, LATER)
    assert set(found) == {"1.28", "1.29"}


def test_a_candidate_that_is_not_given_any_more_is_gone(database: Database, fleet: Fleet) -> None:
    record(database, lookup(fleet, candidate("1.28")), lookup(fleet, candidate("1.28"), key="db"))
    record(database, lookup(fleet, candidate("1.29")), now=LATER)
    with database.session() as session:
        found = CheckRepository(session).candidates([fleet.ids["web"], fleet.ids["db"]])
    assert [row.version for row in found[fleet.ids["web"]]] == ["1.29"]
    assert [row.version for row in found[fleet.ids["db"]]] == ["1.28"]


def test_a_lookup_that_failed_takes_no_candidate_away(database: Database, fleet: Fleet) -> None:
    record(database, lookup(fleet, candidate("1.28")))
    record(database, lookup(fleet, result=CheckResult.UNKNOWN), now=LATER)
    with database.session() as session:
        assert len(CheckRepository(session).candidates([fleet.ids["web"]])[fleet.ids["web"]]) == 1


def test_a_lookup_takes_away_only_what_it_has_found_out_about(database: Database, fleet: Fleet) -> None:
    web = fleet.ids["web"]
    moved = candidate("1.27", digest="sha256:moved", level=ChangeLevel.DIGEST)
    older = candidate("1.27", digest="sha256:older", level=ChangeLevel.DIGEST)
    record(database, lookup(fleet, older, candidate("1.28")))
    part = replace(lookup(fleet, moved), unanswered=frozenset({ChangeLevel.MINOR}))
    record(database, part, now=LATER)
    with database.session() as session:
        left = CheckRepository(session).candidates([web])[web]
    assert {row.digest for row in left} == {"sha256:moved", candidate("1.28").digest}


def test_a_moved_tag_is_another_candidate(database: Database, fleet: Fleet) -> None:
    first = record(database, lookup(fleet, candidate("1.28"))).candidates[fleet.ids["web"]]
    moved = record(database, lookup(fleet, candidate("1.28", digest="sha256:moved")), now=LATER)
    second = moved.candidates[fleet.ids["web"]]
    assert [row.id for row in first] != [row.id for row in second]
    assert [row.digest for row in second] == ["sha256:moved"]


def test_what_a_registry_said_of_a_reference_is_remembered_once(database: Database, fleet: Fleet) -> None:
    record(database, lookup(fleet), lookup(fleet, key="db"))
    with database.session() as session:
        found = CheckRepository(session).remembered(["nginx:1.27", "never:seen"])
    assert {reference: (each.digest, each.etag) for reference, each in found.items()} == {
        "nginx:1.27": (digest("tag"), "etag")
    }


def test_two_checks_at_the_same_time_leave_one_current_answer(database: Database, fleet: Fleet) -> None:
    results = (CheckResult.UP_TO_DATE, CheckResult.UNKNOWN)
    done = side_by_side(*(lambda each=each: record(database, lookup(fleet, result=each)) for each in results))
    assert all(isinstance(each, CheckRecord) for each in done)
    with database.session() as session:
        assert sum(row.current for row in CheckRepository(session).history(fleet.ids["web"])) == 1


def test_each_image_that_runs_or_is_offered_is_scanned_once(database: Database, fleet: Fleet) -> None:
    record(database, lookup(fleet, candidate("1.28")), lookup(fleet, candidate("1.28"), key="db"))
    with database.session() as session:
        images, scans = ImageRepository(session), ScanRepository(session)
        needed = images.needing_scan(timedelta(days=1), NOW)
        assert {row.digest for row in needed} == {digest("running"), digest("1.28")}
        done, failed = needed
        scans.record(Scan(done.digest, done.platform, ScanStatus.SUCCEEDED), done, NOW)
        scans.record(Scan(failed.digest, failed.platform, ScanStatus.FAILED, reason="no"), failed, NOW)
        assert [row.id for row in images.needing_scan(timedelta(days=1), NOW)] == [failed.id]
        after = NOW + timedelta(days=2)
        assert [row.id for row in images.needing_scan(timedelta(days=1), after)] == [failed.id, done.id]


def test_what_an_engine_says_of_an_image_outweighs_what_a_lookup_says(
    database: Database, fleet: Fleet
) -> None:
    with database.session() as session:
        images = ImageRepository(session)
        offered = candidate("1.27", digest=digest("running"), version=None, labels={})
        images.record_candidates([(offered, AMD64)], LATER)
        row = image_of(session, digest("running"))
        assert row.image_id == digest("image")
        assert row.last_seen_at == LATER


def test_a_lookup_says_of_an_image_what_its_engine_does_not(database: Database, fleet: Fleet) -> None:
    """And what it said stays, once the image runs where nothing more is known of it."""
    offered = candidate("1.28", version="1.28.0", labels={"a": "b"})
    running = container("web", image_reference="nginx:1.28", repo_digests=(f"nginx@{offered.digest}",))
    with database.session() as session:
        for _ in range(2):
            ContainerRepository(session).record(fleet.host_id, [running], LATER)
            ImageRepository(session).record_candidates([(offered, AMD64)], LATER)
        ContainerRepository(session).record(fleet.host_id, [running], LATER)
        row = image_of(session, offered.digest)
        assert (row.version, row.labels) == ("1.28.0", {"a": "b"})


def test_a_fleets_lookups_are_recorded_in_as_few_statements_as_one(database: Database, fleet: Fleet) -> None:
    with database.session() as session:
        containers = ContainerRepository(session)
        containers.record(fleet.host_id, [container(f"c{number}") for number in range(2000)], NOW)
        ids = [view.container.id for view in containers.listing()]

    def statements(count: int) -> int:
        lookups = [replace(lookup(fleet, candidate("1.28")), container_id=each) for each in ids[:count]]
        with counted_statements(database) as seen:
            record(database, *lookups)
        return len(seen)

    assert statements(1) == 6
    assert statements(2000) <= 7
