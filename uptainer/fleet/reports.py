"""The pages that a person looks at, as markdown: the fleet, what waits, security, and last night's account."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from uptainer.core.enums import ScanStatus
from uptainer.fleet.deciding import title_of
from uptainer.fleet.listing import list_fleet
from uptainer.fleet.scope import hosts_switched_off, switched_off
from uptainer.store.models import Container, Image, Update, VulnerabilityScan
from uptainer.store.repositories.backups import BackupRepository
from uptainer.store.repositories.budgets import BudgetRepository
from uptainer.store.repositories.hosts import HostRepository
from uptainer.store.repositories.updates import UpdateRepository
from uptainer.updates.markdown import bullets, plain, table

NIGHT = timedelta(hours=24)
SHOWN = 500
"""Rows in one table of a page; the rest is counted, and `uptainer` lists all."""
_TESTED = {True: "passed", False: "FAILED", None: "unknown"}


def report_fleet(session: Session, now: datetime) -> str:
    lines = list_fleet(session)
    hosts = HostRepository(session).all()
    silent = [
        switched_off(host) or f"{host.name} does not answer: {host.unreachable_reason}"
        for host in hosts
        if host.reachable is False or not host.enabled
    ]
    rows = [
        (each.workload, each.status, each.running, each.version, each.candidate, each.why) for each in lines
    ]
    head = f"# The fleet\n\n{len(lines)} containers on {len(hosts)} hosts."
    columns = ("Workload", "State", "Image", "Version", "Candidate", "Why")
    return _page(head, bullets(silent), _cut(columns, rows), _registries(session, now))


def _registries(session: Session, now: datetime) -> str:
    """What each registry may still be asked; "" before the first check."""
    rows = [
        (
            each.registry,
            f"{each.remaining} {each.quota.unit}s" if each.quota else each.remaining,
            f"{each.quota.resets_at:%Y-%m-%d %H:%M}" if each.quota and each.quota.resets_at else "",
            f"{each.hold.until:%Y-%m-%d %H:%M}: {each.hold.reason}" if each.hold else "",
            f"{each.fault.at:%Y-%m-%d %H:%M}: {each.fault.message}" if each.fault else "",
        )
        for each in BudgetRepository(session).all(now)
    ]
    columns = ("Registry", "Left", "All back by (UTC)", "Left alone until (UTC)", "Last refusal (UTC)")
    return "## Registries\n\n" + _cut(columns, rows) if rows else ""


def report_waiting(session: Session, now: datetime) -> str:
    """What awaits an answer, and what is approved and awaits its window."""
    off = hosts_switched_off(session)
    rows = [
        (
            row.id,
            f"{row.host_name}/{title_of(row)}",
            row.status.replace("_", " "),
            off.get(row.host_name, row.status_reason),
            _age(row, now),
        )
        for row in UpdateRepository(session).open()
    ]
    head = "# Waiting\n\nApprove on the page of the run (Resume), or with `uptainer approve ID`."
    if not rows:
        return _page("# Waiting", "Nothing waits.")
    return _page(head, _cut(("Update", "What", "State", "Why", "Since"), rows))


def report_security(session: Session, _now: datetime) -> str:
    """The last scan of each image that runs, the worst first; what was not scanned is said, not left out."""
    scans = _last_scans(session)
    rows = [
        (
            image.name or image.digest[:19],
            containers,
            *(scan.counts.get(severity, 0) for severity in ("critical", "high", "medium", "low")),
            {True: "yes", False: "no", None: "unknown"}[scan.end_of_life],
        )
        for image, containers, scan in scans
        if scan is not None and scan.status is ScanStatus.SUCCEEDED
    ]
    unknown = [
        f"{image.name or image.digest[:19]}: {scan.reason if scan else 'not scanned yet'}"
        for image, _, scan in scans
        if scan is None or scan.status is not ScanStatus.SUCCEEDED
    ]
    columns = ("Image", "Containers", "Critical", "High", "Medium", "Low", "End of life")
    rows.sort(key=lambda row: row[2:6], reverse=True)
    parts = ["# Security", _cut(columns, rows) if rows else "No image that runs has been scanned."]
    return _page(*parts, "## Not known\n\n" + bullets(unknown) if unknown else "")


def report_night(session: Session, now: datetime) -> str:
    """What was done in the last 24 hours."""
    rows = UpdateRepository(session).history(since=now - timedelta(days=30), limit=1000)
    ended = [row for row in rows if row.finished_at is not None and row.finished_at >= now - NIGHT]
    counts = Counter(row.status for row in ended)
    said = ", ".join(f"{count} {status.replace('_', ' ')}" for status, count in sorted(counts.items()))
    cells = [
        (
            f"{row.finished_at:%H:%M}",
            row.id,
            f"{row.host_name}/{title_of(row)}",
            row.status.replace("_", " "),
            row.status_reason,
        )
        for row in ended
    ]
    head = f"# The last 24 hours\n\n{said or 'Nothing was done'}."
    done = _cut(("At (UTC)", "Update", "What", "End", "Why"), cells) if cells else ""
    return _page(head, done, _tried_backups(session, now))


def _tried_backups(session: Session, now: datetime) -> str:
    """Whose restore was tried in the last 24 hours; "" for none."""
    rows = [
        (f"{row.tested_at:%H:%M}", row.id, address, _TESTED[row.test_passed], row.test_said)
        for row, address in BackupRepository(session).tried(now - NIGHT)
    ]
    columns = ("At (UTC)", "Backup", "Of", "Restore", "Why")
    return "## Backups that were tried\n\n" + _cut(columns, rows) if rows else ""


REPORTS = {
    "fleet": report_fleet,
    "waiting": report_waiting,
    "security": report_security,
    "night": report_night,
}


def _last_scans(session: Session) -> Sequence[tuple[Image, int, VulnerabilityScan | None]]:
    running = (
        select(Container.image_pk, func.count().label("containers"))
        .where(Container.vanished_at.is_(None), Container.image_pk.is_not(None))
        .group_by(Container.image_pk)
        .subquery()
    )
    last = (
        select(VulnerabilityScan)
        .order_by(
            VulnerabilityScan.image_pk, VulnerabilityScan.scanned_at.desc(), VulnerabilityScan.id.desc()
        )
        .distinct(VulnerabilityScan.image_pk)
        .subquery()
    )
    rows = session.execute(
        select(Image, running.c.containers, VulnerabilityScan)
        .join(running, running.c.image_pk == Image.id)
        .outerjoin(last, last.c.image_pk == Image.id)
        .outerjoin(VulnerabilityScan, VulnerabilityScan.id == last.c.id)
        .order_by(Image.name, Image.id)
    )
    return [(image, containers, scan) for image, containers, scan in rows]


def _age(row: Update, now: datetime) -> str:
    hours = int((now - row.created_at).total_seconds() // 3600)
    return f"{hours} h" if hours < 48 else f"{hours // 24} days"  # noqa: PLR2004 -- two days


def _cut(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    text = table(columns, rows[:SHOWN])
    more = len(rows) - SHOWN
    return f"{text}\n\n{plain(f'and {more} more')}" if more > 0 else text


def _page(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part) + "\n"
