"""What a file says that notifiers are told, brought into their blocks, which are the one place where it stands.

A block also holds its recipient's URL, which is a secret: the file can neither say it nor make the block.
"""

from collections.abc import Callable, Mapping, Sequence

from sqlalchemy.orm import Session

from uptainer.fleet.content import NotifierDeclaration
from uptainer.fleet.convergence import Change, Facts
from uptainer.store.repositories.audit import Actor, AuditRepository

NOTIFIER = "notifier"


def plan_notifiers(
    declared: Mapping[str, NotifierDeclaration], stored: Mapping[str, NotifierDeclaration]
) -> tuple[Change, ...]:
    """What differs. `stored` has what the block of each declared one says now; other blocks stay as they are."""
    return tuple(
        Change(NOTIFIER, name, _facts(stored[name]), _facts(each))
        for name, each in declared.items()
        if each != stored[name]
    )


def change_notifiers(
    session: Session,
    declared: Mapping[str, NotifierDeclaration],
    changes: Sequence[Change],
    put: Callable[[str, NotifierDeclaration], None],
    actor: Actor,
) -> None:
    """`put` each into its block. What it raises undoes what else was changed in this session."""
    for change in changes:
        if change.what == NOTIFIER:
            details = dict(change.after or {})
            AuditRepository(session).append(actor, "notifier.put", f"notifier/{change.name}", details)
            put(change.name, declared[change.name])


def _facts(notifier: NotifierDeclaration) -> Facts:
    """Without what is empty."""
    return {name: value for name, value in notifier.model_dump(mode="json").items() if value}
