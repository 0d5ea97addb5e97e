import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.contract.store.conftest import Fleet
from tests.lab.facts import NOW
from tests.lab.threads import side_by_side
from uptainer.core.enums import ApprovalChannel, ApprovalDecision
from uptainer.store.database import Database
from uptainer.store.repositories.approvals import Answer, ApprovalRepository
from uptainer.store.repositories.audit import Actor, AuditHead, AuditReport, AuditRepository, Entry
from uptainer.store.repositories.updates import UpdateRepository

BOB = Actor("bob")
DETAILS = {"z": 1, "a": [1.50, None, True], "quote": 'it\'s "so"', "unicode": "naïve €"}


def write(database: Database, count: int) -> None:
    with database.session() as session:
        entries = [Entry(BOB, "test.done", f"thing/{number}", DETAILS) for number in range(count)]
        AuditRepository(session).append_all(entries)


def verify(database: Database, expected: AuditHead | None = None) -> AuditReport:
    with database.session() as session:
        return AuditRepository(session).verify(expected)


def tamper(database: Database, *statements: str) -> None:
    """As a superuser of the database may: triggers off, triggers on."""
    with database.session() as session:
        for statement in ("SET LOCAL session_replication_role = replica", *statements):
            session.execute(text(statement))


def test_an_empty_log_holds(database: Database) -> None:
    assert verify(database) == AuditReport(ok=True, rows=0, head=None)


def test_rows_follow_each_other_without_gaps_in_the_order_they_were_written(database: Database) -> None:
    write(database, 3)
    write(database, 2)
    with database.session() as session:
        rows = AuditRepository(session).listing()
    assert [(row.id, row.subject) for row in reversed(rows)] == [
        (1, "thing/0"),
        (2, "thing/1"),
        (3, "thing/2"),
        (4, "thing/0"),
        (5, "thing/1"),
    ]
    assert rows[0].previous_hash == rows[1].hash
    report = verify(database)
    assert (report.ok, report.rows) == (True, 5)


def test_a_transaction_that_was_rolled_back_leaves_no_gap(database: Database) -> None:
    write(database, 1)
    with database.session() as session:
        AuditRepository(session).append(BOB, "test.lost", "thing", {})
        session.rollback()
    write(database, 1)
    assert verify(database).rows == 2


def test_writers_at_the_same_time_make_one_chain(database: Database) -> None:
    assert side_by_side(*(lambda: write(database, 20) for _ in range(4))) == [None] * 4
    report = verify(database)
    assert (report.ok, report.rows) == (True, 80)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE uptainer.audit_log SET actor = 'alice'",
        "DELETE FROM uptainer.audit_log",
        "TRUNCATE uptainer.audit_log",
        "UPDATE uptainer.approvals SET answered_by = 'alice'",
        "DELETE FROM uptainer.approvals",
        "TRUNCATE uptainer.approvals",
    ],
)
def test_what_was_written_can_only_be_added_to(database: Database, fleet: Fleet, statement: str) -> None:
    with database.session() as session:
        update = UpdateRepository(session).propose([fleet.proposal("web")], NOW).created[0]
        answer = Answer(ApprovalDecision.APPROVE, ApprovalChannel.COMMAND, BOB)
        ApprovalRepository(session).record(update, answer, NOW)
    with pytest.raises(DBAPIError, match="is append-only"), database.session() as session:
        session.execute(text(statement))


def test_who_writes_past_us_is_in_the_chain_as_well(database: Database) -> None:
    write(database, 1)
    with database.session() as session:
        session.execute(
            text(
                "INSERT INTO uptainer.audit_log (id, actor, authenticated, action, subject, details, hash) "
                "VALUES (77, 'mallory', true, 'x', 'y', '{}', 'made up')"
            )
        )
    report = verify(database)
    assert (report.ok, report.rows) == (True, 2)


@pytest.mark.parametrize(
    ("statements", "first_bad", "fault"),
    [
        (["UPDATE uptainer.audit_log SET actor = 'alice' WHERE id = 3"], 3, "content was changed"),
        (["UPDATE uptainer.audit_log SET authenticated = true WHERE id = 1"], 1, "content was changed"),
        (["UPDATE uptainer.audit_log SET at = at + interval '1 us' WHERE id = 5"], 5, "content was changed"),
        (
            ["UPDATE uptainer.audit_log SET details = details || '{\"z\": 2}' WHERE id = 2"],
            2,
            "content was changed",
        ),
        (["DELETE FROM uptainer.audit_log WHERE id = 3"], 4, "a gap: the row before it is 2"),
        (["DELETE FROM uptainer.audit_log WHERE id = 1"], 2, "a gap"),
        (
            [
                "DELETE FROM uptainer.audit_log WHERE id = 3",
                "UPDATE uptainer.audit_log SET id = id - 1 WHERE id = 4",
                "UPDATE uptainer.audit_log SET id = id - 1 WHERE id = 5",
            ],
            3,
            "does not follow",
        ),
        (["UPDATE uptainer.audit_log SET hash = 'new' WHERE id = 5"], 5, "content was changed"),
        (["UPDATE uptainer.audit_log SET hash = 'new' WHERE id = 2"], 2, "content was changed"),
        (["UPDATE uptainer.audit_log SET previous_hash = 'x' WHERE id = 4"], 4, "does not follow"),
    ],
)
def test_tampering_by_a_superuser_shows(
    database: Database, statements: list[str], first_bad: int, fault: str
) -> None:
    write(database, 5)
    tamper(database, *statements)
    report = verify(database)
    assert not report.ok
    assert report.first_bad == first_bad
    assert fault in report.fault


def test_a_row_that_was_changed_and_hashed_anew_is_given_away_by_the_next(database: Database) -> None:
    write(database, 3)
    rehash = (
        "UPDATE uptainer.audit_log SET actor = 'alice', hash = encode(sha256(convert_to(jsonb_build_array("
        "previous_hash, id, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24\\:MI\\:SS.US\"Z\"'), "
        "'alice', authenticated, action, subject, details)\\:\\:text, 'UTF8')), 'hex') WHERE id = 2"
    )
    tamper(database, rehash)
    report = verify(database)
    assert (report.first_bad, report.fault[:15]) == (3, "it does not fol")


def test_a_cut_off_end_shows_against_a_head_that_was_written_down(database: Database) -> None:
    write(database, 5)
    with database.session() as session:
        head = AuditRepository(session).head()
    assert head is not None
    write(database, 2)
    assert verify(database, head).ok
    tamper(database, "DELETE FROM uptainer.audit_log WHERE id > 3")
    assert verify(database).ok
    report = verify(database, head)
    assert (report.ok, report.first_bad) == (False, 4)
    assert report.fault == "the log ends at row 3, and row 5 was written down"


def test_a_log_that_was_written_anew_shows_against_a_head_that_was_written_down(database: Database) -> None:
    write(database, 3)
    with database.session() as session:
        head = AuditRepository(session).head()
    tamper(database, "DELETE FROM uptainer.audit_log")
    write(database, 3)
    assert verify(database).ok
    report = verify(database, head)
    assert (report.ok, report.first_bad) == (False, 3)
