"""What is allowed and what is stated, as it is stored and as it holds for one container."""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Self

from sqlalchemy.orm import Session

from uptainer.core.errors import InvalidInputError
from uptainer.core.files import read_text
from uptainer.policy.allowances import Allowance
from uptainer.policy.excuses import Excuses
from uptainer.policy.settings import EffectivePolicy
from uptainer.policy.vex.kept import KeptDocuments
from uptainer.policy.vex.reading import MAX_BYTES, read_document
from uptainer.policy.vex.statements import Document, newest
from uptainer.store.models import AllowanceRow
from uptainer.store.repositories.audit import Actor
from uptainer.store.repositories.containers import ContainerView
from uptainer.store.repositories.excuses import KEY, AllowanceRepository, NewDocument, VexRepository

_KEPT = KeptDocuments()
_log = logging.getLogger(__name__)


class ExcuseBook:
    """All that is stored, of VEX documents those that some policy names."""

    def __init__(self, allowances: Sequence[Allowance], documents: Mapping[str, Document]) -> None:
        self._allowances = allowances
        self._documents = documents

    @classmethod
    def load(cls, session: Session, names: Sequence[str]) -> Self:
        """`names` are the VEX documents that are asked for."""
        allowances = [allowance_of(row) for row in AllowanceRepository(session).all()]
        return cls(allowances, _documents(VexRepository(session), names) if names else {})

    def excuses_for(self, view: ContainerView, policy: EffectivePolicy) -> Excuses:
        container, host = view.container, view.host.name
        named = [self._documents[name] for name in policy.vex if name in self._documents]
        return Excuses(
            tuple(each for each in self._allowances if each.covers(host, container.key, container.project)),
            newest(named),
            tuple(name for name in policy.vex if name not in self._documents),
        )


def allowance_of(row: AllowanceRow) -> Allowance:
    key = {name: getattr(row, name) for name in KEY}
    return Allowance(**key, reason=row.reason, expires_at=row.expires_at, allowed_by=row.allowed_by)


def put_allowance(session: Session, allowance: Allowance, actor: Actor, now: datetime) -> AllowanceRow:
    key = {name: getattr(allowance, name) for name in KEY}
    return AllowanceRepository(session).put(
        key, reason=allowance.reason, expires_at=allowance.expires_at, actor=actor, now=now
    )


def put_document(session: Session, name: str, content: str, actor: Actor, now: datetime) -> Document:
    """Raises InvalidInputError: it is no VEX document."""
    document = read_document(name, content)
    VexRepository(session).put(_new(document, content), actor=actor, now=now)
    return document


def read_file(name: str, path: Path) -> NewDocument:
    """Raises InvalidInputError: it can't be read, or is no VEX document."""
    content = read_text(path, MAX_BYTES)
    return _new(read_document(name, content), content)


def _new(document: Document, content: str) -> NewDocument:
    return NewDocument(document.name, document.format, document.sha256, content)


def _documents(stored: VexRepository, names: Sequence[str]) -> Mapping[str, Document]:
    """One that an earlier version took and this one does not excuses nothing, and each finding says so."""
    hashes = stored.hashes(names)
    found = {name: kept for name, sha256 in hashes.items() if (kept := _KEPT.get(name, sha256))}
    for name, content in stored.contents([name for name in hashes if name not in found]).items():
        try:
            found[name] = read_document(name, content)
        except InvalidInputError as error:
            _log.warning("the VEX document %s can't be read: %s", name, error)
        else:
            _KEPT.put(found[name])
    return found
