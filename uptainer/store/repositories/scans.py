"""Scans by image, with every vulnerability that they found."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, contains_eager

from uptainer.core.enums import ScanStatus, Severity
from uptainer.core.findings import Scan, Secret, Vulnerability
from uptainer.store.bulk import any_of, insert_rows
from uptainer.store.models import ContainerVulnerability, Image, ImageSecret, VulnerabilityScan


@dataclass(frozen=True, slots=True)
class ScanView:
    """A scan without its vulnerabilities, for a list."""

    scan: VulnerabilityScan
    image: Image


class ScanRepository:
    def __init__(self, session: Session) -> None:
        self._session = session

    def record(self, scan: Scan, image: Image | int, now: datetime) -> VulnerabilityScan:
        """Keep a scan of an image (its row, or its primary key)."""
        row = VulnerabilityScan(
            image_pk=image if isinstance(image, int) else image.id,
            status=scan.status,
            reason=scan.reason,
            counts=_counts(scan.vulnerabilities),
            secrets=scan.secrets,
            os_family=scan.os_family,
            os_version=scan.os_version,
            end_of_life=scan.end_of_life,
            scanner_version=scan.scanner_version,
            database_at=scan.database_at,
            scanned_at=scan.scanned_at or now,
        )
        self._session.add(row)
        self._session.flush()
        if scan.vulnerabilities:
            found = [_columns(row.id, each) for each in scan.vulnerabilities]
            self._session.execute(insert_rows(ContainerVulnerability, found))
        if scan.found_secrets:
            self._session.execute(
                insert_rows(ImageSecret, [{"scan_id": row.id, **asdict(each)} for each in scan.found_secrets])
            )
        return row

    def record_none(self, image_pks: Sequence[int], status: ScanStatus, reason: str, now: datetime) -> None:
        """Why these images could not be scanned, in one statement."""
        if image_pks:
            row = {
                "status": status,
                "reason": reason,
                "counts": _counts(()),
                "os_family": "",
                "os_version": "",
                "scanner_version": "",
                "scanned_at": now,
            }
            rows = [{"image_pk": each, **row} for each in image_pks]
            self._session.execute(insert_rows(VulnerabilityScan, rows))

    def statuses(self, image_pks: Sequence[int]) -> Mapping[int, ScanStatus]:
        """How the last scan of each went, for those that have one."""
        return {row.image_pk: row.status for row in self._latest_rows(image_pks, succeeded_only=False)}

    def standing(self, image_pks: Sequence[int]) -> Mapping[int, Scan]:
        """What is known of each image that was scanned, whole: by the last scan that succeeded, else by the last one.

        A scan that failed takes nothing back that was found before.
        """
        last = {row.image_pk: row for row in self._latest_rows(image_pks, succeeded_only=False)}
        failed = [pk for pk, row in last.items() if row.status is not ScanStatus.SUCCEEDED]
        good = {row.image_pk: row for row in self._latest_rows(failed, succeeded_only=True)}
        found = self._whole([*(last | good).values()])
        return {
            pk: replace(scan, failed_since=last[pk].reason or str(last[pk].status)) if pk in good else scan
            for pk, scan in found.items()
        }

    def by_id(self, scan_id: int) -> Scan | None:
        """One scan, whole; None where retention has taken it."""
        wanted = (
            select(VulnerabilityScan).join(VulnerabilityScan.image).where(VulnerabilityScan.id == scan_id)
        )
        row = self._session.scalar(wanted.options(contains_eager(VulnerabilityScan.image)))
        return None if row is None else self._whole([row])[row.image_pk]

    def listing(self, *, name: str | None = None, limit: int = 100) -> Sequence[ScanView]:
        """The newest first; `name` is a part of the image's."""
        wanted = (
            select(VulnerabilityScan)
            .join(VulnerabilityScan.image)
            .options(contains_eager(VulnerabilityScan.image))
            .order_by(VulnerabilityScan.scanned_at.desc(), VulnerabilityScan.id.desc())
            .limit(limit)
        )
        if name is not None:
            wanted = wanted.where(Image.name.icontains(name, autoescape=True))
        return [ScanView(row, row.image) for row in self._session.scalars(wanted)]

    def _latest_rows(self, image_pks: Sequence[int], *, succeeded_only: bool) -> Sequence[VulnerabilityScan]:
        wanted = (
            select(VulnerabilityScan)
            .join(VulnerabilityScan.image)
            .options(contains_eager(VulnerabilityScan.image))
            .where(any_of(VulnerabilityScan.image_pk, image_pks))
            .order_by(
                VulnerabilityScan.image_pk, VulnerabilityScan.scanned_at.desc(), VulnerabilityScan.id.desc()
            )
            .distinct(VulnerabilityScan.image_pk)
        )
        if succeeded_only:
            wanted = wanted.where(VulnerabilityScan.status == ScanStatus.SUCCEEDED)
        return self._session.scalars(wanted).all()

    def _whole(self, rows: Sequence[VulnerabilityScan]) -> Mapping[int, Scan]:
        """By image; the rows are of different images."""
        found = self._vulnerabilities([row.id for row in rows])
        secrets = self._secrets([row.id for row in rows if row.secrets])
        return {row.image_pk: _scan(row, found.get(row.id, ()), secrets.get(row.id, ())) for row in rows}

    def _secrets(self, scan_ids: Sequence[int]) -> Mapping[int, tuple[Secret, ...]]:
        found: dict[int, list[Secret]] = {}
        if scan_ids:
            wanted = select(ImageSecret).where(any_of(ImageSecret.scan_id, scan_ids))
            for row in self._session.scalars(wanted.order_by(ImageSecret.id)):
                found.setdefault(row.scan_id, []).append(
                    Secret(row.rule, row.file, row.line, row.severity, row.title)
                )
        return {scan: tuple(each) for scan, each in found.items()}

    def _vulnerabilities(self, scan_ids: Sequence[int]) -> Mapping[int, tuple[Vulnerability, ...]]:
        rows = self._session.scalars(
            select(ContainerVulnerability)
            .where(any_of(ContainerVulnerability.scan_id, scan_ids))
            .order_by(
                ContainerVulnerability.severity.desc(),
                ContainerVulnerability.cve,
                ContainerVulnerability.package,
            )
        )
        found: dict[int, list[Vulnerability]] = {}
        for row in rows:
            found.setdefault(row.scan_id, []).append(_vulnerability(row))
        return {scan: tuple(each) for scan, each in found.items()}


def _counts(vulnerabilities: Sequence[Vulnerability]) -> dict[str, int]:
    counts = dict.fromkeys((severity.value for severity in Severity), 0)
    for each in vulnerabilities:
        counts[each.severity.value] += 1
    return counts


def _columns(scan_id: int, each: Vulnerability) -> dict[str, Any]:
    return {
        "scan_id": scan_id,
        "cve": each.id,
        "package": each.package,
        "installed_version": each.installed_version,
        "fixed_version": each.fixed_version,
        "severity": each.severity,
        "title": each.title,
        "target": each.target,
        "url": each.url,
        "score": each.score,
        "published_at": each.published_at,
        "purl": each.purl,
    }


def _vulnerability(row: ContainerVulnerability) -> Vulnerability:
    return Vulnerability(
        row.cve,
        row.package,
        row.installed_version,
        row.fixed_version,
        row.severity,
        title=row.title,
        target=row.target,
        url=row.url,
        score=row.score,
        published_at=row.published_at,
        purl=row.purl,
    )


def _scan(
    row: VulnerabilityScan, vulnerabilities: tuple[Vulnerability, ...], secrets: tuple[Secret, ...]
) -> Scan:
    return Scan(
        digest=row.image.digest,
        platform=row.image.platform,
        status=row.status,
        reason=row.reason,
        vulnerabilities=vulnerabilities,
        os_family=row.os_family,
        os_version=row.os_version,
        end_of_life=row.end_of_life,
        secrets=row.secrets,
        found_secrets=secrets,
        scanner_version=row.scanner_version,
        database_at=row.database_at,
        scanned_at=row.scanned_at,
    )
