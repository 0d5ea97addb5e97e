"""Which backups are no longer kept: a pure rule."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Kept:
    """One backup of one workload. `good` is one that succeeded and was verified; `held` is needed by an open update or restore.

    `proven` is one whose restore was tried and was right; `doubted` was good, until such a try failed.
    """

    id: int
    created_at: datetime
    good: bool
    held: bool = False
    doubted: bool = False
    proven: bool = False


def select_for_removal(
    backups: Iterable[Kept], *, keep_last: int, keep_for: timedelta, now: datetime
) -> tuple[int, ...]:
    """Of one workload's backups, those that are neither among the last `keep_last` good ones nor younger than `keep_for`.

    The newest good one stays whatever its age, for it is the only way back, and so does the newest proven one: what came
    later may not restore. A failed one goes when it is old. Where there is no good one the newest doubted one stays: a part of
    it may be all there is.
    """
    newest_first = sorted(backups, key=lambda backup: (backup.created_at, backup.id), reverse=True)
    good = [backup for backup in newest_first if backup.good]
    proven = [backup for backup in good if backup.proven]
    doubted = [backup for backup in newest_first if backup.doubted]
    protected = {backup.id for backup in (*good[: max(keep_last, 1)], *proven[:1]) or doubted[:1]}
    return tuple(
        backup.id
        for backup in reversed(newest_first)
        if backup.id not in protected and not backup.held and now - backup.created_at > keep_for
    )
