"""What the policies of a fleet may name: windows, freezes, trusts and VEX documents."""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

from sqlalchemy.orm import Session

from uptainer.core.errors import InvalidInputError
from uptainer.policy.fields import DOCUMENT, TRUST
from uptainer.policy.window_text import parse_window
from uptainer.policy.windows import Freeze, Window
from uptainer.store.models import MaintenanceWindow
from uptainer.store.repositories.excuses import VexRepository
from uptainer.store.repositories.policies import PolicyRepository
from uptainer.store.repositories.signatures import SignatureRepository

AnyWindow = TypeVar("AnyWindow", bound=Window)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Names:
    windows: Mapping[str, Window] = field(default_factory=dict)
    freezes: Mapping[str, Freeze] = field(default_factory=dict)
    trusts: frozenset[str] = frozenset()
    documents: frozenset[str] = frozenset()

    @classmethod
    def stored(cls, session: Session) -> Self:
        windows, freezes = read_windows(PolicyRepository(session).windows())
        trusts = frozenset(each.name for each in SignatureRepository(session).trusts())
        return cls(
            windows, freezes, trusts, frozenset(each.name for each in VexRepository(session).listing())
        )

    def __or__(self, more: "Names") -> "Names":
        return Names(
            {**self.windows, **more.windows},
            {**self.freezes, **more.freezes},
            self.trusts | more.trusts,
            self.documents | more.documents,
        )

    @property
    def others(self) -> Mapping[str, Collection[str]]:
        """By kind, what is known by its name alone."""
        return {TRUST: self.trusts, DOCUMENT: self.documents}

    @property
    def context(self) -> Mapping[str, Any]:
        """As a policy's fields look them up when they are checked."""
        return {Window.noun: self.windows, Freeze.noun: self.freezes, **self.others}


def read_windows(rows: Sequence[MaintenanceWindow]) -> tuple[Mapping[str, Window], Mapping[str, Freeze]]:
    """The stored windows and freezes, by name. One is stored as the text that it was given in: `{"text": ...}`.

    One that can no longer be read is left out: it is a fault of each policy that names it.
    """
    windows = _read_all([row for row in rows if not row.freeze], Window)
    return windows, _read_all([row for row in rows if row.freeze], Freeze)


def _read_all(rows: Sequence[MaintenanceWindow], kind: type[AnyWindow]) -> dict[str, AnyWindow]:
    found: dict[str, AnyWindow] = {}
    for row in rows:
        try:
            found[row.name] = parse_window(str(row.definition.get("text", "")), kind)
        except InvalidInputError as error:
            _log.warning("the %s %s can't be read: %s", kind.noun, row.name, error)
    return found
