"""Backups and restores, a task a workload."""

from collections.abc import Sequence

from tasks.resources import database, engines, stores
from tasks.retries import retryable
from uptainer.core.clock import utc_now
from uptainer.core.enums import Consistency
from uptainer.fleet import backing_up, restoring
from uptainer.fleet.backing_up import Kept
from uptainer.store.repositories.audit import Actor


@retryable(
    name="list what to back up",
    run_name="list what is to be backed up",
    description="Finds the workloads whose policy asks for regular backups, when one is due and a window is open.",
)
def due_for_backup() -> Sequence[str]:
    return backing_up.due_for_backup(database(), utc_now())


@retryable(
    name="back up",
    run_name="back up {address}",
    description="Keeps a workload's configuration and the data in its volumes, and reads all of it again.",
)
def back_up_workload(address: str, by: str, reason: str, consistency: Consistency | None) -> Kept:
    return backing_up.back_up_workload(
        database(), address, engines(), stores(), actor=Actor(by), reason=reason, consistency=consistency
    )


@retryable(
    name="restore",
    run_name="restore backup {backup_id}",
    description="Puts back what a backup holds, after checking it and keeping what is there now.",
)
def restore_backup(backup_id: int, by: str) -> str:
    return restoring.restore_backup(database(), backup_id, engines(), stores(), actor=Actor(by))
