"""The audit log: written in the transaction that it speaks of, and verified row by row."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Text, cast, func, select
from sqlalchemy.orm import Session

from uptainer.store.bulk import insert_rows
from uptainer.store.models import AuditEntry

_CHUNK = 2000
_DATE_FORMAT = 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it; `authenticated` is false for a name that was only typed."""

    name: str
    authenticated: bool = False


SYSTEM = Actor("uptainer", authenticated=True)


@dataclass(frozen=True, slots=True)
class Entry:
    """`action` is a verb with its aggregate (`update.approved`); `subject` is what it was done to (`update/17`)."""

    actor: Actor
    action: str
    subject: str
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AuditHead:
    """The newest row: written down elsewhere, it proves later that nothing before it was rewritten or cut off."""

    id: int
    hash: str


@dataclass(frozen=True, slots=True)
class AuditReport:
    """`first_bad` is the id of the first row that does not hold, and `fault` what is wrong with it."""

    ok: bool
    rows: int
    head: AuditHead | None
    first_bad: int | None = None
    fault: str = ""


class AuditRepository:
    def __init__(self, session: Session) -> None:
        self._session = session

    def append(self, actor: Actor, action: str, subject: str, details: Mapping[str, Any]) -> None:
        self.append_all([Entry(actor, action, subject, details)])

    def append_all(self, entries: Sequence[Entry]) -> None:
        """In the order given, in one statement."""
        if not entries:
            return
        rows = [
            {
                "actor": entry.actor.name,
                "authenticated": entry.actor.authenticated,
                "action": entry.action,
                "subject": entry.subject,
                "details": dict(entry.details),
            }
            for entry in entries
        ]
        self._session.execute(insert_rows(AuditEntry, rows))

    def listing(
        self, *, subject: str | None = None, action: str | None = None, limit: int = 100
    ) -> Sequence[AuditEntry]:
        """The newest first."""
        wanted = select(AuditEntry).order_by(AuditEntry.id.desc()).limit(limit)
        if subject is not None:
            wanted = wanted.where(AuditEntry.subject == subject)
        if action is not None:
            wanted = wanted.where(AuditEntry.action == action)
        return self._session.scalars(wanted).all()

    def head(self) -> AuditHead | None:
        row = self._session.execute(
            select(AuditEntry.id, AuditEntry.hash).order_by(AuditEntry.id.desc()).limit(1)
        ).one_or_none()
        return None if row is None else AuditHead(row.id, row.hash)

    def verify(self, expected: AuditHead | None = None) -> AuditReport:
        """Hash every row again, in order. With a head written down earlier, a cut-off end shows as well."""
        wanted = select(AuditEntry.id, AuditEntry.previous_hash, AuditEntry.hash, _canonical_text())
        streamed = wanted.order_by(AuditEntry.id).execution_options(yield_per=_CHUNK)
        with self._session.execute(streamed) as rows:
            return examine(rows.tuples(), expected)


def examine(rows: Iterable[tuple[int, str, str, str]], expected: AuditHead | None = None) -> AuditReport:
    """Rows are (id, previous hash, hash, canonical text), in order of id."""
    last = AuditHead(0, "")
    witnessed = expected is None
    for count, (number, previous, digest, text) in enumerate(rows):
        fault = _fault(last, number, previous, digest, text)
        if fault is None and expected is not None and number == expected.id:
            witnessed = digest == expected.hash
            fault = None if witnessed else "it is not the row that was written down"
        if fault is not None:
            return AuditReport(ok=False, rows=count, head=last, first_bad=number, fault=fault)
        last = AuditHead(number, digest)
    if expected is not None and not witnessed:
        fault = f"the log ends at row {last.id}, and row {expected.id} was written down"
        return AuditReport(ok=False, rows=last.id, head=last, first_bad=last.id + 1, fault=fault)
    return AuditReport(ok=True, rows=last.id, head=last if last.id else None)


def _fault(last: AuditHead, number: int, previous: str, digest: str, text: str) -> str | None:
    if number != last.id + 1:
        return f"a gap: the row before it is {last.id}"
    if previous != last.hash:
        return "it does not follow from the row before it: that one was changed and hashed anew"
    if hashlib.sha256(text.encode()).hexdigest() != digest:
        return "its content was changed after it was written"
    return None


def _canonical_text() -> ColumnElement[str]:
    """What the trigger hashes, made by PostgreSQL's own functions; the hash itself is computed here."""
    at = func.to_char(func.timezone("UTC", AuditEntry.at), _DATE_FORMAT)
    array = func.jsonb_build_array(
        AuditEntry.previous_hash,
        AuditEntry.id,
        at,
        AuditEntry.actor,
        AuditEntry.authenticated,
        AuditEntry.action,
        AuditEntry.subject,
        AuditEntry.details,
    )
    return cast(array, Text)
