"""What is allowed and what is stated, as it is stored and as it holds for one container."""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Self

from sqlalchemy.orm import Session

from uptainer.core.errors import InvalidInputError
from uptainer.policy.allowances import Allowance
from uptainer.policy.excuses import Excuses
from uptainer.policy.settings import EffectivePolicy
from uptainer.policy.vex.reading import read_document
from uptainer.policy.vex.statements import Document
from uptainer.store.models import AllowanceRow
from uptainer.store.repositories.audit import Actor
from uptainer.store.repositories.containers import ContainerView
from uptainer.store.repositories.excuses import KEY, AllowanceRepository, NewDocument, VexRepository

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
        contents = VexRepository(session).contents(names) if names else {}
        return cls(allowances, dict(_readable(contents)))

    def excuses_for(self, view: ContainerView, policy: EffectivePolicy) -> Excuses:
        container, host = view.container, view.host.name
        return Excuses(
            tuple(each for each in self._allowances if each.covers(host, container.key, container.project)),
            tuple(self._documents[name] for name in policy.vex if name in self._documents),
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
    new = NewDocument(name, document.format, document.sha256, content)
    VexRepository(session).put(new, actor=actor, now=now)
    return document


def _readable(contents: Mapping[str, str]) -> Sequence[tuple[str, Document]]:
    """One that an earlier version took and this one does not excuses nothing, and each finding says so."""
    found = []
    for name, content in contents.items():
        try:
            found.append((name, read_document(name, content)))
        except InvalidInputError as error:
            _log.warning("the VEX document %s can't be read: %s", name, error)
    return found
