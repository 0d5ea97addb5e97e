"""Notices to people: each put once, and told to each notifier once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID, uuid4

from sqlalchemy import Select, func, select, update
from sqlalchemy.orm import Session, contains_eager

from uptainer.core.enums import NoticeSeverity, NotificationStatus
from uptainer.store.bulk import any_of, insert_rows
from uptainer.store.models import NoticeDelivery, Update, UpdateNotification

ONE_MESSAGE = 100
"""Notices that go into one message at the most."""


class Tellable(Protocol):
    """What is told: `once` says what the same thing is."""

    @property
    def event(self) -> str: ...
    @property
    def severity(self) -> NoticeSeverity: ...
    @property
    def subject(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def once(self) -> str: ...
    @property
    def hosts(self) -> Sequence[str]: ...
    @property
    def projects(self) -> Sequence[str]: ...
    @property
    def payload(self) -> Mapping[str, Any]: ...
    @property
    def update_id(self) -> int | None: ...


@dataclass(frozen=True, slots=True)
class Route:
    """A notifier that is told, and when. With a `fault` it cannot be, and that is what is written down."""

    notifier: str
    due_at: datetime
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Batch:
    """What goes out as one message, for the `attempt`th time, and by their ids the updates that it is about."""

    mark: UUID
    attempt: int
    deliveries: tuple[int, ...]
    notices: tuple[UpdateNotification, ...]
    updates: Mapping[int, Update]


class NoticeRepository:
    def __init__(self, session: Session) -> None:
        self._session = session

    def put(self, notice: Tellable) -> bool:
        """Keep it to be told; False where the same thing was put before, however it went then."""
        return self.put_all([notice]) == 1

    def put_all(self, notices: Sequence[Tellable]) -> int:
        """Keep those that were not put before, in one statement; how many."""
        if not notices:
            return 0
        statement = insert_rows(UpdateNotification, [_columns(each) for each in notices])
        statement = statement.on_conflict_do_nothing(index_elements=["once"])
        return len(self._session.scalars(statement.returning(UpdateNotification.id)).all())

    def known(self, once: Sequence[str]) -> frozenset[str]:
        """Those of them that were put before."""
        found = select(UpdateNotification.once).where(any_of(UpdateNotification.once, once))
        return frozenset(self._session.scalars(found))

    def unrouted(self, *, limit: int = 1000) -> Sequence[UpdateNotification]:
        """The oldest first. Locked for this transaction; others' are passed over."""
        return self._session.scalars(
            select(UpdateNotification)
            .where(UpdateNotification.routed_at.is_(None))
            .order_by(UpdateNotification.created_at, UpdateNotification.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        ).all()

    def route(self, routes: Mapping[int, Sequence[Route]], now: datetime) -> None:
        """Write down who is told of each notice; one that nobody is told of is done with."""
        rows = [_delivery(notice, route) for notice, each in routes.items() for route in each]
        if rows:
            statement = insert_rows(NoticeDelivery, rows)
            self._session.execute(statement.on_conflict_do_nothing(index_elements=["notice_id", "notifier"]))
        self._session.execute(
            update(UpdateNotification)
            .where(any_of(UpdateNotification.id, list(routes)))
            .values(routed_at=now)
            .execution_options(synchronize_session=False)
        )

    def notifiers_due(self, now: datetime) -> Sequence[str]:
        """Those for whom something is due, by name."""
        wanted = select(NoticeDelivery.notifier).where(*_due(now)).distinct()
        return self._session.scalars(wanted.order_by(NoticeDelivery.notifier)).all()

    def next_batch(self, notifier: str, now: datetime) -> Batch | None:
        """What is due for a notifier, the oldest first, and belongs in one message; None where nothing is."""
        rows = self._session.scalars(
            _with_notices()
            .where(*_due(now), NoticeDelivery.notifier == notifier)
            .order_by(NoticeDelivery.notice_id)
        ).all()
        if not rows:
            return None
        chosen = [each for each in rows if each.mark == rows[0].mark][:ONE_MESSAGE]
        return Batch(
            rows[0].mark or uuid4(),
            rows[0].attempts + 1,
            tuple(each.id for each in chosen),
            tuple(each.notice for each in chosen),
            self._updates([each.notice.update_id for each in chosen]),
        )

    def messages_since(self, notifier: str, since: datetime) -> int:
        """How many messages a notifier was sent after that."""
        wanted = select(func.count(NoticeDelivery.mark.distinct())).where(
            NoticeDelivery.notifier == notifier, NoticeDelivery.sent_at > since
        )
        return self._session.scalar(wanted) or 0

    def trying(self, batch: Batch, again_at: datetime) -> None:
        """A try begins: if nothing more is heard of it, the same is sent again under the same mark after `again_at`."""
        self._set(batch, mark=batch.mark, attempts=batch.attempt, due_at=again_at)

    def sent(self, batch: Batch, now: datetime) -> None:
        self._set(batch, status=NotificationStatus.SENT, error=None, sent_at=now)

    def failed(self, batch: Batch, error: str, *, for_good: bool) -> None:
        status = NotificationStatus.FAILED if for_good else NotificationStatus.PENDING
        self._set(batch, status=status, error=error)

    def revive(self, notifier: str | None, now: datetime) -> int:
        """Have what was tried and given up be due again, for one notifier or for all; how many deliveries."""
        given_up = (NoticeDelivery.status == NotificationStatus.FAILED, NoticeDelivery.attempts > 0)
        mine = () if notifier is None else (NoticeDelivery.notifier == notifier,)
        statement = (
            update(NoticeDelivery)
            .where(*given_up, *mine)
            .values(status=NotificationStatus.PENDING, attempts=0, due_at=now)
            .returning(NoticeDelivery.id)
            .execution_options(synchronize_session=False)
        )
        return len(self._session.scalars(statement).all())

    def listing(
        self, *, failed: bool = False, limit: int = 100
    ) -> Sequence[tuple[UpdateNotification, Sequence[NoticeDelivery]]]:
        """The newest first, with who was told; `failed`: only those that somebody was not told, yet or for good."""
        wanted = select(UpdateNotification).order_by(
            UpdateNotification.created_at.desc(), UpdateNotification.id.desc()
        )
        if failed:
            faults = select(NoticeDelivery.id).where(
                NoticeDelivery.notice_id == UpdateNotification.id, NoticeDelivery.error.is_not(None)
            )
            wanted = wanted.where(faults.exists())
        notices = self._session.scalars(wanted.limit(limit)).all()
        found: dict[int, list[NoticeDelivery]] = {notice.id: [] for notice in notices}
        for each in self._session.scalars(
            select(NoticeDelivery)
            .where(any_of(NoticeDelivery.notice_id, list(found)))
            .order_by(NoticeDelivery.notifier)
        ):
            found[each.notice_id].append(each)
        return [(notice, found[notice.id]) for notice in notices]

    def _updates(self, update_ids: Sequence[int | None]) -> Mapping[int, Update]:
        known = [each for each in update_ids if each is not None]
        return {
            each.id: each for each in self._session.scalars(select(Update).where(any_of(Update.id, known)))
        }

    def _set(self, batch: Batch, **values: Any) -> None:
        self._session.execute(
            update(NoticeDelivery)
            .where(any_of(NoticeDelivery.id, batch.deliveries))
            .values(**values)
            .execution_options(synchronize_session=False)
        )


def _due(now: datetime) -> tuple[Any, ...]:
    return NoticeDelivery.status == NotificationStatus.PENDING, NoticeDelivery.due_at <= now


def _with_notices() -> Select[tuple[NoticeDelivery]]:
    return select(NoticeDelivery).join(NoticeDelivery.notice).options(contains_eager(NoticeDelivery.notice))


def _columns(notice: Tellable) -> dict[str, Any]:
    return {
        "update_id": notice.update_id,
        "event": str(notice.event),
        "severity": notice.severity,
        "subject": notice.subject,
        "hosts": list(notice.hosts),
        "projects": list(notice.projects),
        "payload": {**notice.payload, "text": notice.text},
        "once": notice.once,
    }


def _delivery(notice_id: int, route: Route) -> dict[str, Any]:
    return {
        "notice_id": notice_id,
        "notifier": route.notifier,
        "status": NotificationStatus.FAILED if route.fault else NotificationStatus.PENDING,
        "error": route.fault or None,
        "due_at": route.due_at,
    }
