"""Regular backups: whose is due, and that it still is when its turn comes."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from uptainer.backups.store import Stores
from uptainer.core.clock import utc_now
from uptainer.core.enums import Consistency
from uptainer.fleet.backing_up import Kept, back_up_claimed, find_workload, volumes_of
from uptainer.fleet.policies import PolicyBook
from uptainer.fleet.scope import switched_off
from uptainer.fleet.updating import Opens
from uptainer.policy.settings import EffectivePolicy
from uptainer.policy.windows import is_open
from uptainer.store.database import Database
from uptainer.store.repositories.audit import Actor
from uptainer.store.repositories.backups import BackupRepository
from uptainer.store.repositories.containers import ContainerRepository, ContainerView
from uptainer.updates.locks import claim_workload

_ROUND = timedelta(hours=1)
"""They are looked for so often."""
_EARLY = timedelta(minutes=30)
"""A round that begins some seconds sooner than the day before is that day's too: the next one may find the window closed."""
_LONGEST_WAIT = timedelta(days=1)
_DOUBLINGS = 5
"""By then a round has become longer than the longest wait."""


def due_for_backup(database: Database, now: datetime) -> Sequence[str]:
    """The workloads, by address, whose policy asks for regular backups, whose last is too old, and that may stop now."""
    with database.session() as session:
        return [view.address for view in _due(session, ContainerRepository(session).listing(), now)]


def back_up_if_due(
    database: Database,
    address: str,
    opens: Opens,
    stores: Stores,
    *,
    actor: Actor,
    reason: str,
    consistency: Consistency | None = None,
) -> Kept | None:
    """As `back_up_workload`; None where it is not due any more: its window has closed, or another run has done it.

    Raises:
        UptainerError: as `back_up_workload`.
    """
    view = find_workload(database, address)
    with claim_workload(database, view.host.name, view.container.key):
        with database.session() as session:
            if not _due(session, [view], utc_now()):
                return None
        return back_up_claimed(
            database, view, opens, stores, actor=actor, reason=reason, consistency=consistency
        )


def is_due(policy: EffectivePolicy, last: datetime | None, failed: Sequence[datetime], now: datetime) -> bool:
    """Given when the last good one was made, and when those were begun that failed.

    Each may have stopped the workload: after one that failed the next waits an hour, then two, then four, up to a day.
    """
    if not policy.backup_every or not is_open(policy.windows, policy.freezes, now):
        return False
    if last is not None and not _has_passed(policy.backup_every, last, now):
        return False
    since = [each for each in failed if last is None or each > last]
    if not since:
        return True
    wait = min(policy.backup_every, _LONGEST_WAIT, _ROUND * 2 ** min(len(since) - 1, _DOUBLINGS))
    return _has_passed(wait, max(since), now)


def _has_passed(time: timedelta, since: datetime, now: datetime) -> bool:
    return since + time - min(_EARLY, time / 2) <= now


def _due(session: Session, views: Sequence[ContainerView], now: datetime) -> Sequence[ContainerView]:
    book, backups = PolicyBook.load(session), BackupRepository(session)
    ours = [view for view in views if volumes_of(view) and switched_off(view.host) is None]
    ids = [view.container.id for view in ours]
    last, failed = backups.last_success(ids), backups.failures(ids)
    return [
        view
        for view in ours
        if is_due(
            book.policy_of(view).policy, last.get(view.container.id), failed.get(view.container.id, ()), now
        )
    ]
