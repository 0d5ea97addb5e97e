"""Backups and restores, a task a workload."""

from collections.abc import Sequence
from datetime import timedelta

from tasks.resources import database, engines, stores
from tasks.retries import retryable
from uptainer.core.clock import utc_now
from uptainer.core.enums import Consistency
from uptainer.fleet import backing_up, copying, proving, regular_backups, restoring
from uptainer.fleet.backing_up import Kept
from uptainer.fleet.proving import Trial
from uptainer.store.repositories.audit import Actor


@retryable(
    name="list what to back up",
    run_name="list what is to be backed up",
    description="Finds the workloads whose policy asks for regular backups, when one is due and a window is open.",
)
def due_for_backup() -> Sequence[str]:
    return regular_backups.due_for_backup(database(), utc_now())


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
    name="back up regularly",
    run_name="back up {address}, if it is due",
    description="Backs a workload up if that is still due and a window still open. The next round is the next try: each stops it.",
    retries=0,
)
def back_up_if_due(address: str, by: str, reason: str, consistency: Consistency | None) -> Kept | None:
    return regular_backups.back_up_if_due(
        database(), address, engines(), stores(), actor=Actor(by), reason=reason, consistency=consistency
    )


@retryable(
    name="list what to try",
    run_name="list the backups whose restore is to be tried",
    description="Finds the newest backup of each workload, where no restore of it was tried lately.",
)
def backups_to_try(every: timedelta, limit: int) -> Sequence[int]:
    return proving.backups_to_try(database(), utc_now(), every=every, limit=limit)


@retryable(
    name="try backup",
    run_name="try to restore backup {backup_id}",
    description="Restores a backup beside everything else, compares it file by file, and clears it away again.",
)
def try_backup(backup_id: int, by: str, start: bool) -> Trial:
    return proving.try_backup(database(), backup_id, engines(), stores(), actor=Actor(by), start=start)


@retryable(
    name="restore under another name",
    run_name="restore backup {backup_id} as {name}",
    description="Makes a container like the one that was backed up, under another name, with volumes of its own.",
)
def restore_as(backup_id: int, name: str, by: str, start: bool, ports: bool) -> str:
    return copying.restore_as(
        database(), backup_id, engines(), stores(), name, actor=Actor(by), start=start, ports=ports
    )


@retryable(
    name="restore",
    run_name="restore backup {backup_id}",
    description="Puts back what a backup holds, after checking it and keeping what is there now.",
)
def restore_backup(backup_id: int, by: str) -> str:
    return restoring.restore_backup(database(), backup_id, engines(), stores(), actor=Actor(by))
