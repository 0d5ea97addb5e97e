"""Telling people: who is told what is worked out once for each notice, and each is tried until it was told.

What is promised is at least once: a process that dies after a message went out and before that was written down leaves
it to be sent again, under the same mark. Two processes never send to one notifier at the same time.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from sqlalchemy.orm import Session

from uptainer.core.clock import utc_now
from uptainer.core.enums import NoticeSeverity
from uptainer.core.errors import BusyError, NotFoundError, PermanentError, TemporaryError
from uptainer.fleet.noticing import note_updates
from uptainer.notices.channel import AppriseChannel
from uptainer.notices.message import Message, write_message
from uptainer.notices.notice import Event, Notice
from uptainer.notices.rules import Rules
from uptainer.store.database import Database
from uptainer.store.models import UpdateNotification
from uptainer.store.repositories.notices import Batch, NoticeRepository, Route
from uptainer.updates.gate import ASKED

EVENTS = "Prefect events"
"""The notifier that is always there, and told everything at once. No block can be called so."""

MOST_TRIES = 30
WAITS = tuple(timedelta(minutes=each) for each in (1, 2, 4, 8, 16, 32, 60))
"""After the first try, the second and so on; the last one counts for all further tries: a day and some, in all."""

MOST_REFUSALS = 5
"""Who refuses it (a wrong key, no such page) is tried for a quarter of an hour: a page may be away while it is restarted."""

BURST = 5
BURST_TIME = timedelta(minutes=5)
"""So many messages a notifier is sent in this time; what is more goes into one message of the next round."""


class Channel(Protocol):
    """Where notices go. Raises TemporaryError where trying again may help, PermanentError where it is refused."""

    def tell(self, notices: Sequence[Notice], mark: UUID) -> None: ...


@dataclass(frozen=True, slots=True)
class People:
    """A channel that sends words. `page` is the address under which runs are seen."""

    channel: AppriseChannel
    page: str = ""

    def tell(self, notices: Sequence[Notice], mark: UUID) -> None:
        message = write_message(notices, page=self.page, longest=self.channel.longest)
        self.channel.send(message, mark)


@dataclass(frozen=True, slots=True)
class Told:
    """How many notices a notifier was told, and what it cannot be told for now or for good."""

    notices: int
    fault: str = ""


def plan_telling(
    database: Database, rules: Mapping[str, Rules | PermanentError], now: datetime
) -> Sequence[str]:
    """Note what happened, work out who is told, and give the names of those for whom something is due.

    A notifier whose rules cannot be read is told nothing, and that is written down for each notice.
    """
    with database.session() as session:
        note_updates(session, now)
    with database.session() as session:
        notices = NoticeRepository(session)
        found = notices.unrouted()
        notices.route({row.id: _routes(notice_of(row), rules, now) for row in found}, now)
        return notices.notifiers_due(now)


def tell(database: Database, notifier: str, channel: Channel | PermanentError, now: datetime) -> Told:
    """Send what is due, message by message, until there is no more or one is not taken.

    Raises:
        UnreachableError: the database did not answer.
    """
    with suppress(BusyError), database.lock(f"notifier {notifier}"):
        told = 0
        while (batch := _begin(database, notifier, now)) is not None:
            fault = _send(database, batch, channel)
            if fault:
                return Told(told, fault)
            told += len(batch.notices)
        return Told(told)
    return Told(0)


def trial_message(name: str) -> Message:
    return Message(
        "Uptainer: a test",
        f"This is a test of the notifier {name}. Whoever reads it will be told what its rules say.",
        NoticeSeverity.INFO,
        is_good=True,
    )


def wait_after(attempt: int) -> timedelta:
    return WAITS[min(attempt, len(WAITS)) - 1]


def notice_of(row: UpdateNotification) -> Notice:
    payload = dict(row.payload)
    return Notice(
        Event(row.event),
        row.subject,
        str(payload.pop("text", "")),
        row.once,
        tuple(row.hosts),
        tuple(row.projects),
        payload,
        row.update_id,
        row.created_at,
    )


def _notice_in(batch: Batch, row: UpdateNotification) -> Notice:
    """As it is when the batch is told: what asked for an answer in the evening may have had it by the morning."""
    update = batch.updates.get(row.update_id or 0)
    if update is None:
        return notice_of(row)
    return replace(notice_of(row), flow_run_id=update.flow_run_id, is_open=update.status in ASKED)


def _routes(notice: Notice, rules: Mapping[str, Rules | PermanentError], now: datetime) -> Sequence[Route]:
    """What was noted in this round is due in it: the database's clock may be ahead of `now`."""
    assert notice.at is not None, "it was read from its row"
    at = min(notice.at, now)
    routes = [Route(EVENTS, at)]
    for name, each in rules.items():
        if isinstance(each, PermanentError):
            routes.append(Route(name, at, str(each)))
        elif each.wants(notice):
            routes.append(Route(name, each.due(at)))
    return routes


def _begin(database: Database, notifier: str, now: datetime) -> Batch | None:
    """The next batch, with the try written down before it is made."""
    with database.session() as session:
        notices = NoticeRepository(session)
        if notifier != EVENTS and notices.messages_since(notifier, now - BURST_TIME) >= BURST:
            return None
        batch = notices.next_batch(notifier, now)
        if batch is not None:
            notices.trying(batch, now + wait_after(batch.attempt))
        return batch


def _send(database: Database, batch: Batch, channel: Channel | PermanentError) -> str:
    """Why it was not taken, or ""; either is written down."""
    try:
        if isinstance(channel, PermanentError):
            raise channel
        channel.tell([_notice_in(batch, row) for row in batch.notices], batch.mark)
    except (TemporaryError, PermanentError) as error:
        for_good = channel is error or batch.attempt >= _most_tries(error)
        with database.session() as session:
            NoticeRepository(session).failed(batch, str(error), for_good=for_good)
        return str(error)
    with database.session() as session:
        NoticeRepository(session).sent(batch, utc_now())
    return ""


def _most_tries(error: TemporaryError | PermanentError) -> int:
    return MOST_REFUSALS if isinstance(error, PermanentError) else MOST_TRIES


def no_such(notifier: str) -> NotFoundError:
    return NotFoundError(f"there is no Notifier block {notifier!r} any more")


def read_notices(session: Session, *, failed: bool = False, limit: int = 100) -> Sequence["NoticeLine"]:
    """For the list: each notice, and in words how each notifier was told."""
    found = NoticeRepository(session).listing(failed=failed, limit=limit)
    return [
        NoticeLine(
            row.id,
            row.created_at,
            str(row.severity),
            notice_of(row).event.short,
            row.subject,
            notice_of(row).text,
            tuple(
                DeliveryLine(
                    each.notifier, str(each.status), each.attempts, each.due_at, each.sent_at, each.error
                )
                for each in deliveries
            ),
        )
        for row, deliveries in found
    ]


@dataclass(frozen=True, slots=True)
class DeliveryLine:
    """`status` is pending, sent, or failed, which is given up. `error` is of the last try."""

    notifier: str
    status: str
    attempts: int
    due_at: datetime
    sent_at: datetime | None
    error: str | None


@dataclass(frozen=True, slots=True)
class NoticeLine:
    id: int
    at: datetime
    severity: str
    event: str
    subject: str
    text: str
    told: tuple[DeliveryLine, ...]
