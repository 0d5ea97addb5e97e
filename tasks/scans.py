"""Scans, a task an image."""

from collections.abc import Sequence
from datetime import timedelta

from tasks.resources import database, engines, keychain, scanner
from tasks.retries import retryable
from uptainer.core.budgets import Urgency
from uptainer.core.errors import UnsupportedError
from uptainer.core.findings import Scan
from uptainer.fleet import scanning
from uptainer.fleet.scanning import ScanJob


@retryable(
    name="plan scans",
    run_name="plan the scans",
    description="Finds the images that run or are offered and have no recent scan; without a scanner, says so of each.",
)
def plan_scans(older_than: timedelta, address: str | None, repository: str | None) -> Sequence[ScanJob]:
    jobs = scanning.plan_scans(database(), older_than=older_than, address=address, repository=repository)
    try:
        scanner()
    except UnsupportedError as error:
        scanning.record_unavailable(database(), jobs, str(error))
        return ()
    return jobs


@retryable(
    name="scan image",
    run_name="scan {job.title}",
    description="Scans one image with Trivy, by digest and platform, and keeps every finding.",
)
def scan_image(job: ScanJob, urgency: Urgency) -> Scan:
    return scanning.scan_image(database(), job, scanner(), keychain(), engines(), urgency=urgency)


@retryable(
    name="record failed scan",
    run_name="record why {job.title} was not scanned",
    description="Writes down that an image could not be scanned, and why.",
)
def record_failed_scan(job: ScanJob, reason: str) -> None:
    scanning.record_failure(database(), job, reason)
