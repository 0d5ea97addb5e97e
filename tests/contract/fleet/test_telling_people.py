"""Notices from the tables to people: worked out once, told each notifier once, tried again until they were."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from tests.contract.fleet.seeded import Seeded, answer, flaw
from tests.lab.facts import NOW
from tests.lab.sinks import MailSink, WebhookSink
from tests.lab.threads import side_by_side
from uptainer.backups.local import local_stores
from uptainer.core.clock import utc_now
from uptainer.core.enums import ApprovalDecision, ContainerStatus, Severity, UpdateStatus
from uptainer.core.errors import InvalidInputError, PermanentError, UnreachableError
from uptainer.core.findings import Vulnerability
from uptainer.fleet.gates import give_answer, open_gate
from uptainer.fleet.noticing import note_updates, note_vulnerabilities
from uptainer.fleet.telling import (
    BURST,
    BURST_TIME,
    EVENTS,
    MOST_REFUSALS,
    MOST_TRIES,
    NoticeLine,
    People,
    no_such,
    plan_telling,
    read_notices,
    tell,
)
from uptainer.notices.channel import AppriseChannel
from uptainer.notices.notice import Notice, host_turned
from uptainer.notices.rules import Rules, read_events, read_when
from uptainer.runtimes.port import Runtime
from uptainer.store.models import UpdateNotification
from uptainer.store.repositories.notices import NoticeRepository
from uptainer.store.repositories.scans import ScanRepository
from uptainer.store.repositories.updates import UpdateRepository

EVERYTHING = Rules(events=read_events(["*"]))
MINUTE = timedelta(minutes=1)


@dataclass
class Ear:
    """A channel in memory, for what is not about the wire."""

    faults: int = 0
    error: type[PermanentError | UnreachableError] = UnreachableError
    messages: list[tuple[str, ...]] = field(default_factory=list)
    marks: list[UUID] = field(default_factory=list)

    def tell(self, notices: Sequence[Notice], mark: UUID) -> None:
        self.marks.append(mark)
        if self.faults:
            self.faults -= 1
            raise self.error("it did not listen")
        self.messages.append(tuple(each.text for each in notices))


def lose(fleet: Seeded, *hosts: str) -> None:
    with fleet.database.session() as session:
        NoticeRepository(session).put_all(
            [host_turned(host, reachable=False, reason="refused", at=NOW) for host in hosts]
        )


def plan(
    fleet: Seeded, rules: Mapping[str, Rules | PermanentError] | None = None, at: datetime | None = None
) -> Sequence[str]:
    return plan_telling(fleet.database, rules or {}, at or utc_now())


def lines(fleet: Seeded, *, failed: bool = False) -> list[NoticeLine]:
    with fleet.database.session() as session:
        return list(read_notices(session, failed=failed))


def people(sink: MailSink | WebhookSink) -> People:
    return People(AppriseChannel(sink.url))


def test_two_channels_that_fail_at_first_are_each_told_once(fleet: Seeded) -> None:
    lose(fleet, "nas")
    with MailSink() as mail, WebhookSink() as hook:
        sinks: dict[str, MailSink | WebhookSink] = {"mail": mail, "hook": hook}
        mail.refusals, hook.refusals = 2, 1
        at = utc_now()
        assert plan(fleet, dict.fromkeys(sinks, Rules()), at) == [EVENTS, "hook", "mail"]
        for later in (0, 1, 2, 3, 4, 60):
            for name in set(plan(fleet, at=at + later * MINUTE)) - {EVENTS}:
                tell(fleet.database, name, people(sinks[name]), at + later * MINUTE)
        assert [(len(sink.arrived), sink.tries) for sink in (mail, hook)] == [(1, 3), (1, 2)]
        assert mail.arrived[0].title == "Uptainer: A host does not answer"
    (line,) = lines(fleet)
    assert [(each.notifier, each.status, each.attempts, each.error) for each in line.told] == [
        (EVENTS, "pending", 0, None),
        ("hook", "sent", 2, None),
        ("mail", "sent", 3, None),
    ]


def test_what_happened_before_a_notifier_was_made_is_not_told_it(fleet: Seeded) -> None:
    lose(fleet, "nas")
    assert plan(fleet, {"old": Rules()}) == [EVENTS, "old"]
    assert plan(fleet, {"old": Rules(), "new": Rules()}) == [EVENTS, "old"]


def test_what_is_noted_in_a_round_is_told_in_it(fleet: Seeded) -> None:
    now = utc_now()
    fleet.propose(at=now)
    ear = Ear()
    assert plan(fleet, {"chat": EVERYTHING}, now) == [EVENTS, "chat"]
    tell(fleet.database, "chat", ear, now)
    assert ["is proposed" in text for (text,) in ear.messages] == [True]


def test_what_is_due_together_is_one_message(fleet: Seeded) -> None:
    lose(fleet, "a", "b", "c")
    ear = Ear()
    plan(fleet, {"chat": Rules()})
    assert tell(fleet.database, "chat", ear, utc_now()).notices == 3
    assert ear.messages == [tuple(f"{host} does not answer: refused" for host in "abc")]


def test_what_was_tried_together_is_tried_again_together_under_the_same_mark(fleet: Seeded) -> None:
    lose(fleet, "a", "b")
    ear, at = Ear(faults=1), utc_now()
    plan(fleet, {"chat": Rules()}, at)
    assert tell(fleet.database, "chat", ear, at).fault == "it did not listen"
    assert tell(fleet.database, "chat", ear, at).notices == 0
    lose(fleet, "c")
    plan(fleet, {"chat": Rules()}, at + 2 * MINUTE)
    tell(fleet.database, "chat", ear, at + 2 * MINUTE)
    assert [len(each) for each in ear.messages] == [2, 1]
    assert ear.marks[0] == ear.marks[1] != ear.marks[2]


def test_a_flood_is_a_handful_of_messages(fleet: Seeded) -> None:
    ear = Ear()
    for number in range(3 * BURST):
        lose(fleet, f"host-{number}")
        plan(fleet, {"chat": Rules()})
        tell(fleet.database, "chat", ear, utc_now())
    assert len(ear.messages) == BURST
    tell(fleet.database, "chat", ear, utc_now() + BURST_TIME)
    assert [len(each) for each in ear.messages] == [1] * BURST + [2 * BURST]


def test_a_digest_waits_for_its_time_and_has_all_that_came_until_then(fleet: Seeded) -> None:
    ear, daily = Ear(), read_when("daily 08:00 Europe/Berlin")
    assert daily
    rules = {"digest": Rules(daily=daily)}
    lose(fleet, "a")
    due = daily.due(utc_now())
    assert "digest" not in plan(fleet, rules)
    lose(fleet, "b")
    assert "digest" not in plan(fleet, rules, due - MINUTE)
    assert "digest" in plan(fleet, rules, due)
    tell(fleet.database, "digest", ear, due)
    assert [len(each) for each in ear.messages] == [2]
    assert "digest" not in plan(fleet, rules, due + timedelta(days=1))


def test_the_tries_come_ever_more_rarely_over_a_day_and_then_it_is_given_up_and_said(fleet: Seeded) -> None:
    lose(fleet, "a")
    ear, at = Ear(faults=1000), utc_now()
    plan(fleet, {"chat": Rules()}, at)
    tried = []
    for minute in (0, 1, 2, 3, 6, 7, 14, 15, 30, 31, 62, 63, 122, *range(123, 36 * 60, 60)):
        before = len(ear.marks)
        tell(fleet.database, "chat", ear, at + minute * MINUTE)
        tried += [minute] * (len(ear.marks) - before)
    assert tried == [0, 1, 3, 7, 15, 31, 63, *range(123, 123 + 60 * (MOST_TRIES - 7), 60)]
    assert tried[-1] > 24 * 60 - 60
    (line,) = lines(fleet, failed=True)
    told = {each.notifier: each for each in line.told}
    assert (told["chat"].status, told["chat"].attempts, told["chat"].error) == (
        "failed",
        MOST_TRIES,
        "it did not listen",
    )


def test_who_refuses_is_not_asked_for_a_day_and_is_told_all_when_that_was_corrected(fleet: Seeded) -> None:
    lose(fleet, "a", "b")
    ear, at = Ear(faults=1000, error=InvalidInputError), utc_now()
    plan(fleet, {"chat": Rules()}, at)
    for minute in range(60):
        tell(fleet.database, "chat", ear, at + minute * MINUTE)
    assert len(ear.marks) == MOST_REFUSALS
    assert {each.status for line in lines(fleet, failed=True) for each in line.told if each.error} == {
        "failed"
    }
    ear.faults, later = 0, at + timedelta(hours=1)
    with fleet.database.session() as session:
        assert NoticeRepository(session).revive("other", later) == 0
        assert NoticeRepository(session).revive(None, later) == 2
    assert tell(fleet.database, "chat", ear, later).notices == 2
    with fleet.database.session() as session:
        assert NoticeRepository(session).revive("chat", later) == 0


@pytest.mark.parametrize(
    ("channel", "says"),
    [
        (no_such("gone"), "no Notifier block 'gone' any more"),
        (InvalidInputError("the block is wrong"), "the block is wrong"),
    ],
)
def test_a_block_that_is_gone_or_became_wrong_is_given_up_at_once(
    channel: PermanentError, says: str, fleet: Seeded
) -> None:
    lose(fleet, "a")
    plan(fleet, {"gone": Rules()})
    assert says in tell(fleet.database, "gone", channel, utc_now()).fault
    assert {each.status for each in lines(fleet, failed=True)[0].told if each.error} == {"failed"}


def test_a_block_whose_rules_cannot_be_read_is_said_for_each_notice_and_stops_no_other(fleet: Seeded) -> None:
    lose(fleet, "a")
    ear = Ear()
    assert plan(fleet, {"wrong": InvalidInputError("when: no time"), "chat": Rules()}) == [EVENTS, "chat"]
    tell(fleet.database, "chat", ear, utc_now())
    assert ear.messages
    (line,) = lines(fleet, failed=True)
    assert [(each.notifier, each.error) for each in line.told if each.status == "failed"] == [
        ("wrong", "when: no time")
    ]


def test_two_processes_never_tell_one_notifier_at_the_same_time(fleet: Seeded) -> None:
    lose(fleet, "a")
    ear, at = Ear(), utc_now()
    plan(fleet, {"chat": Rules()}, at)
    side_by_side(
        lambda: tell(fleet.database, "chat", ear, at),
        lambda: tell(fleet.database, "chat", ear, at),
        lambda: tell(fleet.database, "chat", ear, at),
    )
    assert [len(each) for each in ear.messages] == [1]


DYING = """
import os, signal, sys
from datetime import datetime
from uptainer.fleet.telling import tell, People
from uptainer.notices.channel import AppriseChannel
from uptainer.store.database import Database

class Dying(AppriseChannel):
    def send(self, message, mark):
        super().send(message, mark)
        os.kill(os.getpid(), signal.SIGKILL)

tell(Database(sys.argv[1]), "hook", People(Dying(sys.argv[2])), datetime.fromisoformat(sys.argv[3]))
"""


def test_a_process_that_dies_after_sending_leaves_it_to_be_sent_again_under_the_same_mark(
    fleet: Seeded,
) -> None:
    lose(fleet, "a")
    at = utc_now()
    plan(fleet, {"hook": Rules()}, at)
    with WebhookSink() as hook:
        command = [sys.executable, "-c", DYING, fleet.database.url, hook.url, at.isoformat()]
        died = subprocess.run(command, timeout=120, check=False, env={**os.environ})
        assert died.returncode == -signal.SIGKILL
        assert tell(fleet.database, "hook", people(hook), at).notices == 0
        assert tell(fleet.database, "hook", people(hook), at + MINUTE).notices == 1
        assert tell(fleet.database, "hook", people(hook), at + timedelta(days=1)).notices == 0
    first, second = hook.arrived
    assert first == second


def test_an_update_is_told_of_from_its_proposal_to_its_end_in_order(fleet: Seeded) -> None:
    made = fleet.propose()
    fleet.move(made, UpdateStatus.AWAITING_APPROVAL)
    with fleet.database.session() as session:
        UpdateRepository(session).amend(made, account="text", account_hash="hash")
    assert give_answer(fleet.database, made, answer(), NOW, answered_account="hash").taken
    fleet.move(
        made,
        UpdateStatus.BACKING_UP,
        UpdateStatus.APPLYING,
        UpdateStatus.VALIDATING,
        UpdateStatus.ROLLING_BACK,
    )
    fleet.move(made, UpdateStatus.ROLLED_BACK, reason="it was not healthy.")
    for _ in range(2):
        with fleet.database.session() as session:
            note_updates(session, NOW + timedelta(hours=1))
    told = [(each.event, each.text) for each in reversed(lines(fleet))]
    title = (
        "alpha/web: nginx 1.27 -> 1.28"
        if "1.27 ->" in told[0][1]
        else told[0][1].removesuffix(" is proposed")
    )
    assert told == [
        ("update.proposed", f"{title} is proposed"),
        ("update.approved", f"{title} is approved by ann"),
        ("update.started", f"{title} began at 12:00 UTC"),
        ("update.rolled-back", f"{title}: rolled back. it was not healthy"),
    ]


DONE = (UpdateStatus.BACKING_UP, UpdateStatus.APPLYING, UpdateStatus.VALIDATING)
ENDS = {
    "succeeded": (UpdateStatus.APPROVED, *DONE, UpdateStatus.SUCCEEDED),
    "failed": (UpdateStatus.APPROVED, *DONE[:1], UpdateStatus.FAILED),
    "rejected": (UpdateStatus.REJECTED,),
    "expired": (UpdateStatus.EXPIRED,),
    "superseded": (UpdateStatus.SUPERSEDED,),
}


def test_each_end_of_an_update_is_told_once_with_its_reason(fleet: Seeded) -> None:
    for end, states in ENDS.items():
        fleet.move(fleet.propose(end), UpdateStatus.AWAITING_APPROVAL, *states, reason="because")
    for _ in range(2):
        with fleet.database.session() as session:
            note_updates(session, NOW + timedelta(hours=1))
    told = [(each.subject, each.event, each.text[-9:]) for each in lines(fleet) if "because" in each.text]
    assert sorted(told) == sorted((f"workload/alpha/{end}", f"update.{end}", ". because") for end in ENDS)


def away(host: str) -> AbstractContextManager[Runtime]:
    raise UnreachableError(f"{host} does not answer")


def ask(fleet: Seeded, update: int) -> None:
    assert open_gate(fleet.database, update, away, local_stores(Path("/nowhere")), NOW)


def test_that_an_update_is_proposed_is_told_before_that_it_waits_which_is_told_once(fleet: Seeded) -> None:
    made = fleet.propose()
    for _ in range(2):
        ask(fleet, made)
    assert [each.event for each in reversed(lines(fleet))] == ["update.proposed", "update.waiting"]


def test_that_it_waits_is_told_again_when_a_snooze_is_over(fleet: Seeded) -> None:
    made = fleet.propose()
    ask(fleet, made)
    until = NOW + timedelta(days=3)
    assert give_answer(fleet.database, made, answer(ApprovalDecision.SNOOZE, until=until), NOW).taken
    ask(fleet, made)
    waits = []
    for later in (until - MINUTE, until, until + MINUTE):
        plan(fleet, at=later)
        waits.append([each.text for each in lines(fleet) if each.event == "update.waiting"])
    assert [len(each) for each in waits] == [1, 2, 2]
    assert waits[-1][0] == f"{waits[-1][1]} again: its snooze is over"
    assert give_answer(
        fleet.database, made, answer(ApprovalDecision.SNOOZE, until=until + MINUTE), until
    ).taken
    fleet.move(made, UpdateStatus.REJECTED)
    plan(fleet, at=until + 2 * MINUTE)
    assert sum(each.event == "update.waiting" for each in lines(fleet)) == 2


def test_what_was_answered_before_it_was_told_does_not_ask_for_an_answer(fleet: Seeded) -> None:
    """As in a digest, or after a night in which the mail server was away."""
    made, other = fleet.propose(), fleet.propose("db")
    for each in (made, other):
        ask(fleet, each)
    plan(fleet, {"hook": Rules(events=read_events(["update.waiting"]))})
    fleet.move(made, UpdateStatus.REJECTED)
    with WebhookSink() as hook:
        assert tell(fleet.database, "hook", people(hook), utc_now()).notices == 2
        (came,) = hook.arrived
    assert came.title == "Uptainer: 2 notices, 1 of them waits for you"
    assert f"uptainer approve {other}" in came.body
    assert f"uptainer approve {made}" not in came.body


def test_an_undo_that_failed_is_told_however_long_ago_the_update_was_proposed(fleet: Seeded) -> None:
    """It never ends by itself, so it is the begin of its work that counts."""
    made = fleet.propose()
    with fleet.database.session() as session:
        UpdateRepository(session).amend(made, account="text", account_hash="hash")
    assert give_answer(fleet.database, made, answer(), NOW, answered_account="hash").taken
    with fleet.database.session() as session:
        UpdateRepository(session).amend(made, created_at=NOW - timedelta(days=10))
    fleet.move(made, UpdateStatus.BACKING_UP, UpdateStatus.APPLYING, UpdateStatus.ROLLING_BACK)
    fleet.move(made, UpdateStatus.ROLLBACK_FAILED, reason="the old one is gone")
    with fleet.database.session() as session:
        note_updates(session, NOW + timedelta(hours=1))
    assert "update.failed" in {each.event for each in lines(fleet)}


def test_what_is_long_ago_is_no_news(fleet: Seeded) -> None:
    fleet.propose()
    with fleet.database.session() as session:
        assert note_updates(session, NOW + timedelta(days=8)) == 0
        assert note_updates(session, NOW + timedelta(days=6)) == 1


def scan(fleet: Seeded, *flaws: Vulnerability, image: str = "running") -> bool:
    fleet.scan(image, *flaws)
    with fleet.database.session() as session:
        view = ScanRepository(session).listing(limit=1)[0]
        return note_vulnerabilities(session, view.scan.id, flaws)


def critical(*names: str) -> list[Vulnerability]:
    return [flaw(name, Severity.CRITICAL) for name in names]


def test_a_critical_vulnerability_in_what_runs_is_told_once(fleet: Seeded) -> None:
    fleet.run("web", project="shop")
    fleet.run("db", project="data")
    fleet.run("off", status=ContainerStatus.EXITED)
    assert scan(fleet, *critical("CVE-1"), flaw("CVE-2", Severity.HIGH))
    assert not scan(fleet, *critical("CVE-1"))
    assert scan(fleet, *critical("CVE-1", "CVE-2"))
    assert not scan(fleet)
    assert not scan(fleet, *critical("CVE-1"))
    with fleet.database.session() as session:
        rows = NoticeRepository(session).unrouted()
    assert [row.payload["vulnerabilities"] for row in rows] == [
        ["CVE-1 (openssl 1, fixed in 2)"],
        ["CVE-2 (openssl 1, fixed in 2)"],
    ]
    first: UpdateNotification = rows[0]
    assert (first.hosts, first.projects) == (["alpha"], ["data", "shop"])
    assert first.payload["workloads"] == ["alpha/db", "alpha/web"]


def test_an_image_that_nothing_runs_is_no_notice(fleet: Seeded) -> None:
    fleet.run("web", status=ContainerStatus.EXITED)
    assert not scan(fleet, *critical("CVE-1"))
