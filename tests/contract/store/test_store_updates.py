from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy.exc import IntegrityError

from tests.contract.store.conftest import Fleet, counted_statements
from tests.lab.facts import NOW, candidate, container
from tests.lab.threads import side_by_side
from uptainer.core.enums import ApprovalChannel, ApprovalDecision, StepStatus, UpdateStatus
from uptainer.core.errors import NotFoundError, RefusedError
from uptainer.core.transitions import TRANSITIONS
from uptainer.store.database import Database
from uptainer.store.models import Update
from uptainer.store.repositories.approvals import Answer, ApprovalRepository
from uptainer.store.repositories.audit import SYSTEM, Actor, AuditRepository
from uptainer.store.repositories.containers import ContainerRepository
from uptainer.store.repositories.journal import JournalRepository
from uptainer.store.repositories.proposals import Proposed
from uptainer.store.repositories.updates import UpdateRepository

S = UpdateStatus
ALICE = Actor("alice", authenticated=True)
LATER = NOW + timedelta(hours=1)


def propose(database: Database, fleet: Fleet, *tags: str, over_approved: bool = False) -> Proposed:
    with database.session() as session:
        proposals = [fleet.proposal("web", tag, over_approved=over_approved) for tag in tags]
        return UpdateRepository(session).propose(proposals, NOW)


def move(database: Database, update: Update, before: UpdateStatus, after: UpdateStatus) -> Update:
    with database.session() as session:
        return UpdateRepository(session).transition(
            update.id, [before], after, reason="test", actor=ALICE, now=LATER
        )


def force(database: Database, update: Update, status: UpdateStatus) -> None:
    with database.session() as session:
        UpdateRepository(session).amend(update.id, status=status)


def test_a_proposal_is_kept_with_all_that_it_says(database: Database, fleet: Fleet) -> None:
    row = propose(database, fleet, "1.28").created[0]
    assert (row.status, row.to_reference, row.to_digest) == (
        S.PROPOSED,
        "docker.io/library/nginx:1.28",
        candidate("1.28").digest,
    )
    assert (row.decision, row.policy, row.created_at) == ({"verdict": "allow"}, {"mode": "manual"}, NOW)


def test_the_same_candidate_is_not_proposed_twice(database: Database, fleet: Fleet) -> None:
    first = propose(database, fleet, "1.28").created[0]
    assert propose(database, fleet, "1.28") == Proposed((), (), (first.id,))


@pytest.mark.parametrize("status", [S.PROPOSED, S.AWAITING_APPROVAL])
def test_a_newer_candidate_supersedes_one_that_nobody_answered(
    database: Database, fleet: Fleet, status: UpdateStatus
) -> None:
    first = propose(database, fleet, "1.28").created[0]
    force(database, first, status)
    proposed = propose(database, fleet, "1.29")
    assert proposed.superseded == (first.id,)
    assert [row.to_version for row in proposed.created] == ["1.29"]
    with database.session() as session:
        old = UpdateRepository(session).by_id(first.id)
        assert (old.status, old.finished_at) == (S.SUPERSEDED, NOW)
        actions = [row.action for row in AuditRepository(session).listing(subject=f"update/{first.id}")]
        assert actions == ["update.superseded", "update.proposed"]


@pytest.mark.parametrize("status", [S.APPROVED, S.WAITING_FOR_WINDOW])
def test_an_answer_is_not_thrown_away_for_a_newer_candidate_unless_that_is_asked_for(
    database: Database, fleet: Fleet, status: UpdateStatus
) -> None:
    first = propose(database, fleet, "1.28").created[0]
    force(database, first, status)
    assert propose(database, fleet, "1.29").standing == (first.id,)
    assert propose(database, fleet, "1.29", over_approved=True).superseded == (first.id,)


@pytest.mark.parametrize(
    "status", [S.BACKING_UP, S.APPLYING, S.VALIDATING, S.ROLLING_BACK, S.ROLLBACK_FAILED]
)
def test_what_is_under_way_is_never_superseded(
    database: Database, fleet: Fleet, status: UpdateStatus
) -> None:
    first = propose(database, fleet, "1.28").created[0]
    force(database, first, status)
    proposed = propose(database, fleet, "1.29", over_approved=True)
    assert (proposed.created, proposed.superseded, proposed.standing) == ((), (), (first.id,))


def test_of_two_who_propose_at_once_one_wins_and_the_other_is_told(database: Database, fleet: Fleet) -> None:
    first, second = side_by_side(
        lambda: propose(database, fleet, "1.28"), lambda: propose(database, fleet, "1.29")
    )
    assert isinstance(first, Proposed)
    assert isinstance(second, Proposed)
    with database.session() as session:
        open_now = UpdateRepository(session).open()
    assert len(open_now) == 1
    assert len(first.created) + len(second.created) - len(first.superseded) - len(second.superseded) == 1


def test_the_database_itself_holds_one_open_update_for_a_container(database: Database, fleet: Fleet) -> None:
    first = propose(database, fleet, "1.28").created[0]
    force(database, first, S.REJECTED)
    propose(database, fleet, "1.29")
    with pytest.raises(IntegrityError, match="uq_updates_open"):
        force(database, first, S.PROPOSED)


@pytest.mark.parametrize("before", list(UpdateStatus))
def test_the_store_lets_through_exactly_what_the_table_of_transitions_has(
    database: Database, fleet: Fleet, before: UpdateStatus
) -> None:
    update = propose(database, fleet, "1.28").created[0]
    for after in UpdateStatus:
        force(database, update, before)
        if after in TRANSITIONS[before]:
            assert move(database, update, before, after).status is after
        else:
            with pytest.raises(RefusedError, match=f"{before} cannot become {after}"):
                move(database, update, before, after)


def test_a_transition_writes_who_and_why_in_the_same_transaction(database: Database, fleet: Fleet) -> None:
    update = propose(database, fleet, "1.28").created[0]
    with database.session() as session:
        UpdateRepository(session).transition(
            update.id, [S.PROPOSED], S.APPROVED, reason="tested it", actor=ALICE, now=LATER, opens_at=LATER
        )
    with database.session() as session:
        row = UpdateRepository(session).by_id(update.id)
        entry = AuditRepository(session).listing(action="update.approved")[0]
    assert (row.status, row.status_reason, row.approved_at, row.opens_at) == (
        S.APPROVED,
        "tested it",
        LATER,
        LATER,
    )
    assert (entry.actor, entry.authenticated, entry.subject) == ("alice", True, f"update/{update.id}")
    assert entry.details["reason"] == "tested it"


def test_what_is_rolled_back_with_the_transaction_leaves_no_audit_row(
    database: Database, fleet: Fleet
) -> None:
    update = propose(database, fleet, "1.28").created[0]

    def fail() -> None:
        with database.session() as session:
            UpdateRepository(session).transition(
                update.id, [S.PROPOSED], S.APPROVED, reason="", actor=ALICE, now=NOW
            )
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    with database.session() as session:
        assert UpdateRepository(session).by_id(update.id).status is S.PROPOSED
        assert AuditRepository(session).listing(action="update.approved") == []


def test_of_two_transitions_at_once_one_is_refused(database: Database, fleet: Fleet) -> None:
    update = propose(database, fleet, "1.28").created[0]
    done = side_by_side(
        lambda: move(database, update, S.PROPOSED, S.APPROVED),
        lambda: move(database, update, S.PROPOSED, S.REJECTED),
    )
    refused = [each for each in done if isinstance(each, RefusedError)]
    assert len(refused) == 1
    assert "not proposed" in str(refused[0])
    with database.session() as session:
        assert len(AuditRepository(session).listing(subject=f"update/{update.id}")) == 2


def test_when_it_began_stays_when_it_goes_back_and_forth(database: Database, fleet: Fleet) -> None:
    update = propose(database, fleet, "1.28").created[0]
    force(database, update, S.APPROVED)
    with database.session() as session:
        updates = UpdateRepository(session)
        updates.transition(update.id, [S.APPROVED], S.APPLYING, reason="", actor=SYSTEM, now=NOW)
        row = updates.transition(update.id, [S.APPLYING], S.BACKING_UP, reason="", actor=SYSTEM, now=LATER)
        assert row.started_at == NOW


def test_an_update_that_is_not_there_is_said_to_be_not_there(database: Database) -> None:
    with database.session() as session, pytest.raises(NotFoundError, match="there is no update 7"):
        UpdateRepository(session).by_id(7)


def test_what_is_due_is_approved_and_neither_snoozed_nor_before_its_window(
    database: Database, fleet: Fleet
) -> None:
    with database.session() as session:
        updates = UpdateRepository(session)
        rows = updates.propose([fleet.proposal(key) for key in ("web", "db", "cache")], NOW).created
        by_name = {row.workload: row.id for row in rows}
        updates.amend(by_name["web"], status=S.APPROVED)
        updates.amend(by_name["db"], status=S.WAITING_FOR_WINDOW, opens_at=LATER)
        updates.amend(by_name["cache"], status=S.APPROVED, snoozed_until=LATER, urgency=9)
        assert [row.workload for row in updates.due(NOW)] == ["web"]
        assert [row.workload for row in updates.due(LATER)] == ["cache", "web", "db"]


def test_what_waited_too_long_is_found(database: Database, fleet: Fleet) -> None:
    update = propose(database, fleet, "1.28").created[0]
    with database.session() as session:
        updates = UpdateRepository(session)
        updates.amend(update.id, expires_at=LATER)
        assert updates.expired(NOW) == []
        assert [row.id for row in updates.expired(LATER)] == [update.id]


def test_earlier_outcomes_are_told_by_container_and_skipped_ones_apart(
    database: Database, fleet: Fleet
) -> None:
    skipped = propose(database, fleet, "1.28").created[0]
    with database.session() as session:
        answer = Answer(ApprovalDecision.SKIP, ApprovalChannel.COMMAND, ALICE)
        ApprovalRepository(session).record(skipped, answer, NOW)
    move(database, skipped, S.PROPOSED, S.REJECTED)
    undone = propose(database, fleet, "1.29").created[0]
    force(database, undone, S.ROLLED_BACK)
    superseded = propose(database, fleet, "1.30").created[0]
    move(database, superseded, S.PROPOSED, S.SUPERSEDED)
    with database.session() as session:
        found = UpdateRepository(session).outcomes(list(fleet.ids.values()))
    assert [(each.to_version, each.status, each.skipped) for each in found[fleet.ids["web"]]] == [
        ("1.29", S.ROLLED_BACK, False),
        ("1.28", S.REJECTED, True),
    ]
    assert found[fleet.ids["db"]] == ()


def test_one_that_was_taken_back_is_told_of_as_of_then(database: Database, fleet: Fleet) -> None:
    made = propose(database, fleet, "1.28").created[0]
    force(database, made, S.SUCCEEDED)
    with database.session() as session:
        taking_back = replace(fleet.proposal("web", "1.27"), reverses_id=made.id)
        (reversal,) = UpdateRepository(session).propose([taking_back], NOW).created
        UpdateRepository(session).amend(reversal.id, status=S.SUCCEEDED, finished_at=LATER)
    with database.session() as session:
        (found,) = UpdateRepository(session).outcomes([fleet.ids["web"]])[fleet.ids["web"]]
    assert (found.status, found.reason, found.finished_at) == (
        S.ROLLED_BACK,
        f"update {reversal.id} took it back",
        LATER,
    )


def test_history_is_filtered(database: Database, fleet: Fleet) -> None:
    with database.session() as session:
        updates = UpdateRepository(session)
        rows = updates.propose([fleet.proposal("web"), fleet.proposal("db")], NOW).created
        updates.close([rows[0].id], S.EXPIRED, reason="late", actor=SYSTEM, now=NOW)
        assert len(updates.history()) == 2
        assert [row.workload for row in updates.history(statuses=[S.EXPIRED])] == ["web"]
        assert [row.workload for row in updates.history(workload="db")] == ["db"]
        assert updates.history(host="beta") == []
        assert updates.history(since=LATER) == []


def test_an_answer_is_kept_with_the_account_that_was_answered(database: Database, fleet: Fleet) -> None:
    update = propose(database, fleet, "1.28").created[0]
    with database.session() as session:
        row = UpdateRepository(session).amend(update.id, account="# nginx 1.28", account_hash="abc")
        approvals = ApprovalRepository(session)
        typed = Answer(
            ApprovalDecision.APPROVE, ApprovalChannel.PREFECT_FORM, Actor("bob"), refusal="it moved"
        )
        approvals.record(row, typed, NOW)
        approvals.record(row, Answer(ApprovalDecision.APPROVE, ApprovalChannel.COMMAND, ALICE), NOW)
    with database.session() as session:
        kept = ApprovalRepository(session).for_update(update.id)
        audited = AuditRepository(session).listing(action="update.answered")
    assert [(row.answered_by, row.authenticated, row.taken) for row in kept] == [
        ("bob", False, False),
        ("alice", True, True),
    ]
    assert {(row.account, row.account_hash, row.digest) for row in kept} == {
        ("# nginx 1.28", "abc", candidate("1.28").digest)
    }
    assert [row.details["refusal"] for row in audited] == ["", "it moved"]


def test_the_journal_tells_the_next_process_what_was_begun_and_what_was_done(
    database: Database, fleet: Fleet
) -> None:
    update = propose(database, fleet, "1.28").created[0]
    with database.session() as session:
        journal = JournalRepository(session)
        for position, name in enumerate(("pull", "stop", "start")):
            journal.begin(update.id, position, name, phase="prepare", sentence=f"{name} it", now=NOW)
        journal.done(update.id, "pull", {"image": "x"}, LATER)
        journal.failed(update.id, "stop", "it did not", LATER)
    with database.session() as session:
        journal = JournalRepository(session)
        steps = journal.steps(update.id)
        assert [(step.name, step.status) for step in steps] == [
            ("pull", StepStatus.DONE),
            ("stop", StepStatus.FAILED),
            ("start", StepStatus.INTENT),
        ]
        assert (steps[0].result, steps[1].error) == ({"image": "x"}, "it did not")
        assert journal.undoing(update.id, "stop").status is StepStatus.UNDOING
        assert journal.undone(update.id, "stop", LATER).undone_at == LATER


def test_a_step_that_is_begun_again_is_the_same_row_with_a_new_intent(
    database: Database, fleet: Fleet
) -> None:
    update = propose(database, fleet, "1.28").created[0]
    with database.session() as session:
        journal = JournalRepository(session)
        first = journal.begin(update.id, 0, "pull", phase="prepare", sentence="pull it", now=NOW).id
        journal.failed(update.id, "pull", "no network", NOW)
        again = journal.begin(update.id, 0, "pull", phase="prepare", sentence="pull it", now=LATER)
        assert (again.id, again.status, again.error, again.started_at) == (
            first,
            StepStatus.INTENT,
            None,
            LATER,
        )


def test_a_step_that_was_never_begun_has_no_result(database: Database, fleet: Fleet) -> None:
    update = propose(database, fleet, "1.28").created[0]
    with database.session() as session, pytest.raises(NotFoundError, match="no step 'start'"):
        JournalRepository(session).done(update.id, "start", {}, NOW)


def test_a_fleets_updates_are_proposed_in_as_few_statements_as_one(database: Database, fleet: Fleet) -> None:
    with database.session() as session:
        containers = ContainerRepository(session)
        containers.record(fleet.host_id, [container(f"c{number}") for number in range(1000)], NOW)
        ids = [view.container.id for view in containers.listing()]

    def statements(tag: str, count: int) -> int:
        proposals = [replace(fleet.proposal("web", tag), container_id=each) for each in ids[:count]]
        with database.session() as session, counted_statements(database) as seen:
            UpdateRepository(session).propose(proposals, NOW)
        return len(seen)

    assert statements("1.28", 1) == 3
    assert statements("1.28", 1000) == 3
    assert statements("1.29", 1000) <= 5
