"""Updates on their way: proposed, moved from state to state, and what became of earlier ones.

Every change writes its audit row in the same transaction.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from uptainer.core.enums import UpdateStatus
from uptainer.core.errors import InvalidInputError, NotFoundError, RefusedError
from uptainer.core.transitions import CLOSED, UNDER_WAY, WAITING, check_transition
from uptainer.store.bulk import any_of, insert_rows
from uptainer.store.models import Update
from uptainer.store.models.updates import OPEN
from uptainer.store.repositories.audit import SYSTEM, Actor, AuditRepository, Entry
from uptainer.store.repositories.outcomes import Outcome, outcomes
from uptainer.store.repositories.proposals import ANSWERED, UNANSWERED, Proposal, Proposed, row_of, sort_out

_STAMPS: Mapping[UpdateStatus, str] = {
    UpdateStatus.APPROVED: "approved_at",
    UpdateStatus.BACKING_UP: "started_at",
    UpdateStatus.APPLYING: "started_at",
    **dict.fromkeys(CLOSED, "finished_at"),
}


class UpdateRepository:
    def __init__(self, session: Session) -> None:
        self._session = session

    def propose(self, proposals: Sequence[Proposal], now: datetime, actor: Actor = SYSTEM) -> Proposed:
        """Propose at most one update for each container; a newer candidate supersedes one that waits.

        Who proposes at the same time loses to who was first: its proposals are counted as standing.
        """
        if not proposals:
            return Proposed((), (), ())
        open_rows = self._open_for([each.container_id for each in proposals])
        found = sort_out(proposals, open_rows)
        reason = "a newer candidate was found"
        self.close(found.replaced, UpdateStatus.SUPERSEDED, reason=reason, actor=actor, now=now)
        created = self._insert(found.fresh, now)
        self._audit_proposals(created, actor)
        beaten = {each.container_id for each in found.fresh} - {row.container_id for row in created}
        first = tuple(row.id for row in self._open_for(sorted(beaten)))
        return Proposed(tuple(created), found.replaced, found.standing + first)

    def transition(
        self,
        update_id: int,
        expected: Collection[UpdateStatus],
        new: UpdateStatus,
        *,
        reason: str,
        actor: Actor,
        now: datetime,
        **values: Any,
    ) -> Update:
        """Move an update on, if it is still where the caller saw it; `values` are other columns to set with it.

        Raises:
            RefusedError: it is in another state by now, or no way leads from there to `new`.
            NotFoundError: there is no such update.
        """
        for status in expected:
            check_transition(status, new)
        stamp = _STAMPS.get(new)
        if stamp is not None:
            values = {stamp: func.coalesce(getattr(Update, stamp), now), **values}
        row = self._compare_and_set(update_id, expected, {"status": new, "status_reason": reason, **values})
        details = {"to": new, "reason": reason, "digest": row.to_digest, "workload": _name(row)}
        AuditRepository(self._session).append(actor, f"update.{new}", f"update/{update_id}", details)
        return row

    def override_window(self, update_id: int, reason: str, actor: Actor) -> Update:
        """Let an approved update begin outside of its maintenance windows, and in a freeze; whatever else forbids it,
        forbids it still.

        Raises:
            InvalidInputError: no reason or nobody is given.
            RefusedError: it is not approved.
        """
        if not reason.strip():
            raise InvalidInputError("to override a maintenance window needs a reason, for the audit log")
        if not actor.name.strip():
            raise InvalidInputError("to override a maintenance window needs the name of who does it")
        row = self._compare_and_set(
            update_id, ANSWERED, {"window_override": reason.strip(), "opens_at": None}
        )
        details = {"reason": reason.strip(), "digest": row.to_digest, "workload": _name(row)}
        AuditRepository(self._session).append(
            actor, "update.window_overridden", f"update/{update_id}", details
        )
        return row

    def end_override(self, update_id: int) -> bool:
        """Have its maintenance windows and freezes count again; whether they were overridden."""
        row = self.by_id(update_id, lock=True)
        if row.window_override is None:
            return False
        details = {"reason": row.window_override, "digest": row.to_digest, "workload": _name(row)}
        self.amend(update_id, window_override=None)
        AuditRepository(self._session).append(
            SYSTEM, "update.window_override_ended", f"update/{update_id}", details
        )
        return True

    def amend(self, update_id: int, **values: Any) -> Update:
        """Set columns that are not the state: the account, the plan, the flow run, when it opens or expires."""
        return self._compare_and_set(update_id, tuple(UpdateStatus), values)

    def close(
        self, ids: Sequence[int], status: UpdateStatus, *, reason: str, actor: Actor, now: datetime
    ) -> Sequence[Update]:
        """Close those that wait, in one statement; one that is under way by now is left alone and not returned."""
        return self.transition_all(ids, WAITING, status, reason=reason, actor=actor, now=now)

    def transition_all(
        self,
        ids: Sequence[int],
        expected: Collection[UpdateStatus],
        new: UpdateStatus,
        *,
        reason: str,
        actor: Actor,
        now: datetime,
    ) -> Sequence[Update]:
        """Move several on, for one reason; one that is in another state by now is left alone and not returned."""
        if not ids:
            return []
        for status in expected:
            check_transition(status, new)
        stamp = _STAMPS.get(new)
        stamped = {} if stamp is None else {stamp: func.coalesce(getattr(Update, stamp), now)}
        rows = self._session.scalars(
            update(Update)
            .where(any_of(Update.id, ids), Update.status.in_(expected))
            .values(status=new, status_reason=reason, **stamped)
            .returning(Update)
            .execution_options(populate_existing=True)
        ).all()
        entries = [
            Entry(actor, f"update.{new}", f"update/{row.id}", _closing(row, new, reason)) for row in rows
        ]
        AuditRepository(self._session).append_all(entries)
        return rows

    def by_id(self, update_id: int, *, lock: bool = False) -> Update:
        """With `lock`, nobody else changes it before this transaction ends. Raises NotFoundError."""
        row = self._session.get(Update, update_id, with_for_update=lock or None, populate_existing=True)
        if row is None:
            raise NotFoundError(
                f"there is no update {update_id}: see `uptainer updates` and `uptainer history`"
            )
        return row

    def open(self) -> Sequence[Update]:
        """All that are not history, the most urgent first, and then the oldest."""
        return self._listed(OPEN)

    def waiting(self) -> Sequence[Update]:
        """Proposed and not answered yet."""
        return self._listed(OPEN, Update.status.in_(UNANSWERED))

    def under_way(self) -> Sequence[Update]:
        """What a run is at, or was at when it died."""
        return self._listed(OPEN, Update.status.in_(UNDER_WAY))

    def answered(self) -> Sequence[Update]:
        """Approved and not begun. Nobody else changes them before this transaction ends."""
        wanted = select(Update).where(OPEN, Update.status.in_(ANSWERED)).order_by(Update.id)
        return self._session.scalars(wanted.with_for_update().execution_options(populate_existing=True)).all()

    def due(self, now: datetime) -> Sequence[Update]:
        """Approved, not snoozed, and not before its window opens."""
        return self._listed(
            OPEN,
            Update.status.in_(ANSWERED),
            _past(Update.snoozed_until, now),
            _past(Update.opens_at, now),
        )

    def expired(self, now: datetime) -> Sequence[Update]:
        """Waiting for longer than they may."""
        return self._listed(OPEN, Update.status.in_(WAITING), Update.expires_at <= now)

    def history(
        self,
        *,
        host: str | None = None,
        workload: str | None = None,
        statuses: Collection[UpdateStatus] = (),
        since: datetime | None = None,
        batch: str | None = None,
        limit: int = 100,
    ) -> Sequence[Update]:
        """The newest first, open ones among them unless `statuses` says otherwise."""
        wanted = select(Update).order_by(Update.created_at.desc(), Update.id.desc()).limit(limit)
        if host is not None:
            wanted = wanted.where(Update.host_name == host)
        if workload is not None:
            wanted = wanted.where(Update.workload == workload)
        if statuses:
            wanted = wanted.where(Update.status.in_(statuses))
        if since is not None:
            wanted = wanted.where(Update.created_at >= since)
        if batch is not None:
            wanted = wanted.where(Update.batch == batch)
        return self._session.scalars(wanted).all()

    def outcomes(self, container_ids: Sequence[int]) -> Mapping[int, tuple[Outcome, ...]]:
        """Rejected, rolled back and failed updates of these containers, by container, the newest first."""
        return outcomes(self._session, container_ids)

    def _listed(self, *conditions: ColumnElement[bool]) -> Sequence[Update]:
        wanted = select(Update).where(*conditions)
        return self._session.scalars(
            wanted.order_by(Update.urgency.desc(), Update.created_at, Update.id)
        ).all()

    def _open_for(self, container_ids: Sequence[int]) -> Sequence[Update]:
        if not container_ids:
            return []
        return self._session.scalars(
            select(Update)
            .where(OPEN, any_of(Update.container_id, container_ids))
            .order_by(Update.id)
            .with_for_update()
            .execution_options(populate_existing=True)
        ).all()

    def _insert(self, proposals: Sequence[Proposal], now: datetime) -> Sequence[Update]:
        if not proposals:
            return []
        rows = [row_of(each, now) for each in proposals]
        statement = insert_rows(Update, rows).on_conflict_do_nothing(
            index_elements=["container_id"], index_where=OPEN
        )
        return self._session.scalars(statement.returning(Update)).all()

    def _compare_and_set(
        self, update_id: int, expected: Collection[UpdateStatus], values: Mapping[str, Any]
    ) -> Update:
        row = self._session.scalars(
            update(Update)
            .where(Update.id == update_id, Update.status.in_(expected))
            .values(**values)
            .returning(Update)
            .execution_options(populate_existing=True)
        ).one_or_none()
        if row is None:
            found = self.by_id(update_id)
            wanted = " or ".join(sorted(expected))
            raise RefusedError(f"update {update_id} of {_name(found)} is {found.status}, not {wanted}")
        return row

    def _audit_proposals(self, rows: Sequence[Update], actor: Actor) -> None:
        entries = [
            Entry(
                actor,
                "update.proposed",
                f"update/{row.id}",
                {
                    "workload": _name(row),
                    "from": row.from_digest,
                    "to": row.to_reference,
                    "digest": row.to_digest,
                },
            )
            for row in rows
        ]
        AuditRepository(self._session).append_all(entries)


def _name(row: Update) -> str:
    return f"{row.host_name}/{row.workload}"


def _closing(row: Update, status: UpdateStatus, reason: str) -> dict[str, Any]:
    return {"to": status, "reason": reason, "digest": row.to_digest, "workload": _name(row)}


def _past(column: InstrumentedAttribute[datetime | None], now: datetime) -> ColumnElement[bool]:
    """There is no such moment, or it is over."""
    return or_(column.is_(None), column <= now)
