"""Answers as they are written down: with the state that they lead to, and the audit row, in one transaction."""

from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import select

from tests.integration.updates.seeding import NOW, add_container, add_update
from uptainer.backups.local import local_stores
from uptainer.core.clock import Clock
from uptainer.core.enums import ApprovalChannel, ApprovalDecision, UpdateStatus
from uptainer.core.errors import InvalidInputError, RefusedError
from uptainer.store.database import Database
from uptainer.store.models import Approval, AuditEntry, Container, Update
from uptainer.store.repositories.approvals import Answer
from uptainer.store.repositories.audit import Actor
from uptainer.store.repositories.updates import UpdateRepository
from uptainer.updates.gate import Ruling, answer, reopen
from uptainer.updates.recovery import recover

DIGEST = "sha256:" + "a" * 64
ANN = Actor("ann", authenticated=True)
NOWHERE = local_stores(Path("/nowhere"))


@pytest.fixture
def waiting(database: Database) -> int:
    host = f"h-{uuid4().hex[:8]}"
    container = add_container(database, host=host, url=f"unix:///{host}")
    update = add_update(
        database,
        container,
        host=host,
        to_digest=DIGEST,
        status=UpdateStatus.AWAITING_APPROVAL,
        approved=False,
    )
    with database.session() as session:
        UpdateRepository(session).amend(update, expires_at=NOW + timedelta(days=1))
    return update


def give(
    database: Database,
    update: int,
    decision: ApprovalDecision,
    *,
    now: datetime = NOW,
    until: datetime | None = None,
    worse: tuple[str, ...] = (),
) -> Ruling:
    given = Answer(decision, ApprovalChannel.COMMAND, ANN, "because", until)
    with database.session() as session:
        return answer(session, update, given, now, worse=worse)


def row(database: Database, update: int) -> Update:
    with database.session() as session:
        return UpdateRepository(session).by_id(update)


def approvals(database: Database, update: int) -> list[Approval]:
    with database.session() as session:
        return list(
            session.scalars(select(Approval).where(Approval.update_id == update).order_by(Approval.id))
        )


def actions(database: Database, update: int) -> list[tuple[str, str]]:
    with database.session() as session:
        wanted = select(AuditEntry).where(AuditEntry.subject == f"update/{update}").order_by(AuditEntry.id)
        return [(entry.action, entry.actor) for entry in session.scalars(wanted)]


def test_an_approval_is_kept_with_the_account_it_was_given_on(database: Database, waiting: int) -> None:
    assert give(database, waiting, ApprovalDecision.APPROVE).taken
    update = row(database, waiting)
    assert update.status is UpdateStatus.APPROVED
    assert update.expires_at is None
    kept = approvals(database, waiting)
    assert [(each.answered_by, each.taken, each.account, each.digest) for each in kept] == [
        ("ann", True, "the account", DIGEST)
    ]
    assert actions(database, waiting) == [("update.answered", "ann"), ("update.approved", "ann")]


def test_an_approval_that_comes_too_late_is_kept_and_not_taken(database: Database, waiting: int) -> None:
    ruling = give(database, waiting, ApprovalDecision.APPROVE, worse=("CVE-2026-1 is new and critical",))
    assert ruling.reopens
    assert row(database, waiting).status is UpdateStatus.AWAITING_APPROVAL
    assert "CVE-2026-1" in row(database, waiting).status_reason
    assert [(each.taken, each.refusal) for each in approvals(database, waiting)] == [
        (False, "CVE-2026-1 is new and critical")
    ]
    assert actions(database, waiting) == [("update.answered", "ann"), ("update.reopened", "uptainer")]


def test_an_answer_after_its_time_closes_the_gate(database: Database, waiting: int) -> None:
    give(database, waiting, ApprovalDecision.APPROVE, now=NOW + timedelta(days=2))
    assert row(database, waiting).status is UpdateStatus.EXPIRED
    assert actions(database, waiting)[-1] == ("update.expired", "uptainer")


def test_a_snooze_is_kept_with_its_end(database: Database, waiting: int) -> None:
    give(database, waiting, ApprovalDecision.SNOOZE, until=NOW + timedelta(days=7))
    update = row(database, waiting)
    assert update.status is UpdateStatus.AWAITING_APPROVAL
    assert update.snoozed_until == NOW + timedelta(days=7)
    assert update.expires_at == NOW + timedelta(days=8)


def test_a_skipped_version_is_told_from_a_rejected_digest(database: Database, waiting: int) -> None:
    give(database, waiting, ApprovalDecision.SKIP)
    update = row(database, waiting)
    assert update.status is UpdateStatus.REJECTED
    with database.session() as session:
        outcome = UpdateRepository(session).outcomes([update.container_id])[update.container_id][0]
    assert outcome.skipped


def test_what_was_refused_as_wrong_leaves_nothing(database: Database, waiting: int) -> None:
    with pytest.raises(InvalidInputError):
        give(database, waiting, ApprovalDecision.SNOOZE)
    assert not approvals(database, waiting)
    assert not actions(database, waiting)


def test_a_gate_that_nobody_answered_closes_by_itself(database: Database, waiting: int) -> None:
    clock = Clock(now=lambda: NOW + timedelta(days=2))
    report = recover(database, lambda _: pytest.fail("nothing is to be connected"), NOWHERE, clock=clock)
    assert waiting in report.expired
    assert row(database, waiting).status is UpdateStatus.EXPIRED


def test_a_container_that_an_update_left_behind_is_reported(database: Database) -> None:
    host = f"h-{uuid4().hex[:8]}"
    name = "uptainer-new-web-0123456789ab"
    left = add_container(database, key=name, host=host, url=f"unix:///{host}")
    with database.session() as session:
        session.get_one(Container, left).details = {"role": "new"}
    assert f"{host}/{name}" in recover(database, lambda _: pytest.fail("no"), NOWHERE).leftovers


def test_what_was_approved_is_asked_again_when_its_scan_got_worse(database: Database, waiting: int) -> None:
    give(database, waiting, ApprovalDecision.APPROVE)
    with database.session() as session:
        reopen(session, waiting, ("CVE-2026-2 is critical now",), NOW)
    assert row(database, waiting).status is UpdateStatus.AWAITING_APPROVAL


def test_what_nobody_approved_is_not_asked_again(database: Database, waiting: int) -> None:
    with pytest.raises(RefusedError), database.session() as session:
        reopen(session, waiting, ("x",), NOW)
