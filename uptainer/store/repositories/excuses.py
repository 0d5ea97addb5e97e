"""What keeps findings from counting: allowances, and VEX documents. Each change is written to the audit log."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, defer

from uptainer.core.enums import VexFormat
from uptainer.core.errors import NotFoundError
from uptainer.store.bulk import any_of
from uptainer.store.models import AllowanceRow, VexDocument
from uptainer.store.repositories.audit import Actor, AuditRepository

KEY = ("finding", "package", "image", "workload", "project")


@dataclass(frozen=True, slots=True)
class NewDocument:
    name: str
    format: VexFormat
    sha256: str
    content: str


class AllowanceRepository:
    """What is put here has been checked by `uptainer.policy` before."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._audit = AuditRepository(session)

    def all(self) -> Sequence[AllowanceRow]:
        """Those that have expired too: whoever relied on one should see since when it does not count."""
        return self._session.scalars(
            select(AllowanceRow).order_by(AllowanceRow.finding, AllowanceRow.id)
        ).all()

    def put(
        self, key: Mapping[str, str], *, reason: str, expires_at: datetime, actor: Actor, now: datetime
    ) -> AllowanceRow:
        """`key` has all of `KEY`; one for the same takes the place of the one before."""
        values = {"reason": reason, "expires_at": expires_at, "allowed_by": actor.name, "allowed_at": now}
        statement = insert(AllowanceRow).values(**key, **values)
        statement = statement.on_conflict_do_update(index_elements=list(KEY), set_=values)
        row = self._session.scalars(
            statement.returning(AllowanceRow).execution_options(populate_existing=True)
        ).one()
        self._audit.append(actor, "allowance.put", f"allowance/{row.id}", _told(row))
        return row

    def remove(self, allowance_id: int, *, actor: Actor) -> AllowanceRow:
        row = self._session.get(AllowanceRow, allowance_id)
        if row is None:
            raise NotFoundError(f"there is no allowance {allowance_id}: see `uptainer allow list`")
        self._session.delete(row)
        self._session.flush()
        self._audit.append(actor, "allowance.removed", f"allowance/{allowance_id}", _told(row))
        return row

    def remove_key(self, key: Mapping[str, str], *, actor: Actor) -> None:
        wanted = [getattr(AllowanceRow, name) == key[name] for name in KEY]
        self.remove(self._session.scalars(select(AllowanceRow.id).where(*wanted)).one(), actor=actor)


class VexRepository:
    """What is put here has been read by `uptainer.policy.vex` before."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._audit = AuditRepository(session)

    def listing(self) -> Sequence[VexDocument]:
        """Without their contents, which are not loaded."""
        wanted = select(VexDocument).order_by(VexDocument.name)
        return self._session.scalars(wanted.options(defer(VexDocument.content, raiseload=True))).all()

    def hashes(self, names: Sequence[str]) -> Mapping[str, str]:
        """By name, the SHA-256 of those that are there."""
        wanted = select(VexDocument.name, VexDocument.sha256).where(any_of(VexDocument.name, names))
        return dict(self._session.execute(wanted).tuples().all())

    def contents(self, names: Sequence[str]) -> Mapping[str, str]:
        """By name, of those that are there."""
        wanted = select(VexDocument.name, VexDocument.content).where(any_of(VexDocument.name, names))
        return dict(self._session.execute(wanted).tuples().all())

    def put(self, document: NewDocument, *, actor: Actor, now: datetime) -> None:
        """One of the same name takes the place of the one before; the log keeps both their hashes."""
        before = self._session.scalar(select(VexDocument.sha256).where(VexDocument.name == document.name))
        values = {
            "format": document.format,
            "sha256": document.sha256,
            "content": document.content,
            "added_by": actor.name,
            "added_at": now,
        }
        statement = insert(VexDocument).values(name=document.name, **values)
        self._session.execute(statement.on_conflict_do_update(index_elements=["name"], set_=values))
        details = {"format": document.format, "sha256": document.sha256, "before": before}
        self._audit.append(actor, "vex.put", f"vex/{document.name}", details)

    def remove(self, name: str, *, actor: Actor) -> None:
        gone = delete(VexDocument).where(VexDocument.name == name).returning(VexDocument.sha256)
        sha256 = self._session.scalar(gone)
        if sha256 is None:
            known = ", ".join(each.name for each in self.listing()) or "none"
            raise NotFoundError(f"there is no VEX document {name!r}; known: {known}")
        self._audit.append(actor, "vex.removed", f"vex/{name}", {"sha256": sha256})


def _told(row: AllowanceRow) -> Mapping[str, Any]:
    key = {name: getattr(row, name) for name in KEY if getattr(row, name)}
    return {**key, "reason": row.reason, "expires_at": row.expires_at.isoformat()}
