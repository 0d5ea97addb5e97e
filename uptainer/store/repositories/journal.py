"""The journal of an update's steps: the intent committed before the act, the result after it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from uptainer.core.enums import StepStatus
from uptainer.core.errors import NotFoundError
from uptainer.store.models import UpdateStep


class JournalRepository:
    """Each call is for a transaction of its own, for the next process must see it whatever becomes of this one."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def begin(
        self, update_id: int, position: int, name: str, *, phase: str, sentence: str, now: datetime
    ) -> UpdateStep:
        """Write the intent; of a step that was begun before, what stood there is taken up again."""
        values = {
            "status": StepStatus.INTENT,
            "started_at": now,
            "error": None,
            "finished_at": None,
            "undone_at": None,
        }
        statement = insert(UpdateStep).values(
            update_id=update_id, position=position, name=name, phase=phase, sentence=sentence, **values
        )
        statement = statement.on_conflict_do_update(index_elements=["update_id", "name"], set_=values)
        returning = statement.returning(UpdateStep).execution_options(populate_existing=True)
        return self._session.scalars(returning).one()

    def done(self, update_id: int, name: str, result: Mapping[str, Any], now: datetime) -> UpdateStep:
        return self._set(update_id, name, status=StepStatus.DONE, result=dict(result), finished_at=now)

    def failed(self, update_id: int, name: str, error: str, now: datetime) -> UpdateStep:
        return self._set(update_id, name, status=StepStatus.FAILED, error=error, finished_at=now)

    def undoing(self, update_id: int, name: str) -> UpdateStep:
        return self._set(update_id, name, status=StepStatus.UNDOING)

    def undone(self, update_id: int, name: str, now: datetime) -> UpdateStep:
        return self._set(update_id, name, status=StepStatus.UNDONE, undone_at=now)

    def steps(self, update_id: int) -> Sequence[UpdateStep]:
        """In the order in which they are done."""
        wanted = select(UpdateStep).where(UpdateStep.update_id == update_id).order_by(UpdateStep.position)
        return self._session.scalars(wanted).all()

    def _set(self, update_id: int, name: str, **values: Any) -> UpdateStep:
        row = self._session.scalars(
            update(UpdateStep)
            .where(UpdateStep.update_id == update_id, UpdateStep.name == name)
            .values(**values)
            .returning(UpdateStep)
            .execution_options(populate_existing=True)
        ).one_or_none()
        if row is None:
            raise NotFoundError(f"update {update_id} has no step {name!r} in its journal")
        return row
