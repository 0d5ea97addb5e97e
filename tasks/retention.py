"""Retention, in the database, on the disk and on the engines."""

from tasks.resources import database, engines, stores
from tasks.retries import retryable
from uptainer.core.clock import utc_now
from uptainer.fleet import leftovers, pruning
from uptainer.fleet.leftovers import HostPruned
from uptainer.fleet.pruning import BackupsPruned
from uptainer.store.repositories.retention import Pruned, Retention


@retryable(
    name="prune rows",
    run_name="remove old rows",
    description="Deletes checks, scans, health, notices and images that are history; never audit, updates or approvals.",
)
def prune_rows() -> Pruned:
    return pruning.prune_rows(database(), Retention(), utc_now())


@retryable(
    name="prune backups",
    run_name="remove old backups",
    description="Removes the files of backups that no policy keeps; the last good one of a workload always stays.",
)
def prune_backups() -> BackupsPruned:
    return pruning.prune_backups(database(), stores(), utc_now())


@retryable(
    name="prune images",
    run_name="remove replaced images from {host}",
    description="Removes the containers and images that updates replaced, when their policy no longer keeps them.",
)
def prune_images(host: str) -> HostPruned:
    return leftovers.prune_host(database(), host, engines(), utc_now())
