"""What the shell offers on Tab: names from the database, where it answers; else nothing."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

FLOWS = (
    "discover",
    "check",
    "check-pushed",
    "scan",
    "update",
    "maintain",
    "back-up",
    "restore",
    "test-restore",
    "health",
    "notify",
    "recover",
    "operate",
    "prune",
    "report",
)
"""The deployments of prefect.yaml, which is not read here: Tab must answer at once."""


def flows(incomplete: str) -> list[str]:
    return [name for name in FLOWS if name.startswith(incomplete)]


def hosts(incomplete: str) -> list[str]:
    return _offer(_hosts, incomplete)


def containers(incomplete: str) -> list[str]:
    return _offer(_containers, incomplete)


def updates(incomplete: str) -> list[str]:
    return _offer(_updates, incomplete)


def windows(incomplete: str) -> list[str]:
    return _offer(_windows, incomplete)


def _offer(read: Callable[["Session"], Sequence[str]], incomplete: str) -> list[str]:
    from uptainer.cli.connection import database  # noqa: PLC0415 -- only Tab itself needs the database
    from uptainer.core.errors import UptainerError  # noqa: PLC0415 -- as above

    try:
        with database() as opened, opened.session() as session:
            return [name for name in read(session) if name.startswith(incomplete) and name.isprintable()]
    except UptainerError:
        return []


def _hosts(session: "Session") -> Sequence[str]:
    from uptainer.store.repositories.hosts import HostRepository  # noqa: PLC0415 -- only Tab itself needs it

    return [host.name for host in HostRepository(session).all()]


def _containers(session: "Session") -> Sequence[str]:
    from uptainer.store.repositories.containers import ContainerRepository  # noqa: PLC0415 -- as above

    return [view.address for view in ContainerRepository(session).listing()]


def _updates(session: "Session") -> Sequence[str]:
    from uptainer.store.repositories.updates import UpdateRepository  # noqa: PLC0415 -- as above

    return [str(update.id) for update in UpdateRepository(session).open()]


def _windows(session: "Session") -> Sequence[str]:
    from uptainer.store.repositories.policies import PolicyRepository  # noqa: PLC0415 -- as above

    return [row.name for row in PolicyRepository(session).windows(enabled_only=False)]
