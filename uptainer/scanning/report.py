"""Trivy's JSON report (schema 2), read into our own values; what is not needed is not kept.

Source: https://trivy.dev/docs/latest/configuration/reporting/#json, and `pkg/types/report.go` of Trivy 0.76.
"""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_pascal

from uptainer.core.enums import ScanStatus, Severity
from uptainer.core.errors import PermanentError
from uptainer.core.findings import Scan, Secret, Vulnerability
from uptainer.core.platform import Platform

MAX_BYTES = 256 * 1024 * 1024


class _Part(BaseModel):
    model_config = ConfigDict(alias_generator=to_pascal, frozen=True)


class _Cvss(_Part):
    v2: float | None = Field(None, alias="V2Score")
    v3: float | None = Field(None, alias="V3Score")
    v4: float | None = Field(None, alias="V40Score")

    @property
    def score(self) -> float | None:
        """The newest edition that was given."""
        return next((score for score in (self.v4, self.v3, self.v2) if score is not None), None)


class _Identifier(_Part):
    purl: str = Field("", alias="PURL")


class _Vulnerability(_Part):
    vulnerability_id: str = Field(alias="VulnerabilityID")
    pkg_name: str
    installed_version: str = ""
    fixed_version: str = ""
    severity: str = "UNKNOWN"
    title: str = ""
    primary_url: str = Field("", alias="PrimaryURL")
    cvss: dict[str, _Cvss] = Field({}, alias="CVSS")
    severity_source: str = ""
    published_date: datetime | None = None
    pkg_identifier: _Identifier = _Identifier()


class _Secret(_Part):
    """Trivy also gives the lines around it, with the secret starred out: they are not read."""

    rule_id: str = Field(alias="RuleID")
    severity: str = "UNKNOWN"
    title: str = ""
    start_line: int = 0


class _Result(_Part):
    target: str = ""
    vulnerabilities: list[_Vulnerability] = []
    secrets: list[_Secret] = []


class _OperatingSystem(_Part):
    family: str = ""
    name: str = ""
    end_of_life: bool = Field(False, alias="EOSL")


class _ImageConfig(BaseModel):
    os: str = ""
    architecture: str = ""
    variant: str = ""


class _Metadata(_Part):
    os: _OperatingSystem | None = Field(None, alias="OS")
    image_config: _ImageConfig = _ImageConfig()


class _Database(_Part):
    updated_at: datetime | None = None
    next_update: datetime | None = None


class _Scanner(_Part):
    version: str = ""
    database: _Database = Field(_Database(), alias="VulnerabilityDB")


class _Trivy(_Part):
    version: str = ""
    server: _Scanner = _Scanner()


class Report(_Part):
    schema_version: int
    artifact_name: str = ""
    trivy: _Trivy = _Trivy()
    metadata: _Metadata = _Metadata()
    results: list[_Result] = []


def read_report(path: Path, *, subject: str, max_bytes: int = MAX_BYTES) -> Report:
    """The report that Trivy wrote to `path`.

    Raises:
        PermanentError: it is larger than `max_bytes`, is not a report, or is of another schema.
    """
    size = path.stat().st_size if path.exists() else 0
    if size > max_bytes:
        raise PermanentError(
            f"{subject}: Trivy's report has {size} bytes, more than the {max_bytes} that are read"
        )
    try:
        report = Report.model_validate_json(path.read_bytes() if size else b"")
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False)[0]
        raise PermanentError(
            f"{subject}: Trivy's report cannot be read ({fault['loc']}: {fault['msg']})"
        ) from error
    if report.schema_version != 2:  # noqa: PLR2004 -- the one schema that Trivy writes since 0.20
        raise PermanentError(
            f"{subject}: Trivy's report is of schema {report.schema_version}, and 2 is what is read"
        )
    return report


def scan_from(
    report: Report,
    *,
    digest: str,
    platform: Platform,
    now: datetime,
    notice: str = "",
    secrets: bool = True,
) -> Scan:
    """What the report says of the image; FAILED where it is of another platform than the one asked for.

    Trivy scans whatever platform a single-platform image has, and says nothing. Nor does a report say whether secrets
    were looked for: `secrets` does.
    """
    found = report.metadata.image_config
    if not found.architecture:
        return _failed(digest, platform, now, f"{digest}: Trivy does not say which platform it scanned")
    actual = Platform.of(found.os, found.architecture, found.variant)
    if (actual.os, actual.architecture) != (platform.os, platform.architecture):
        return _failed(digest, platform, now, f"{digest} is for {actual}, not for {platform}")
    os = report.metadata.os
    hidden = tuple(_secrets(report))
    server = report.trivy.server
    return Scan(
        digest=digest,
        platform=str(platform),
        status=ScanStatus.SUCCEEDED,
        reason="; ".join(part for part in (notice, _staleness(server.database, now)) if part),
        vulnerabilities=tuple(
            _vulnerability(found, result.target)
            for result in report.results
            for found in result.vulnerabilities
        ),
        os_family=os.family if os else "",
        os_version=os.name if os else "",
        end_of_life=os.end_of_life if os and os.family else None,
        secrets=len(hidden) if secrets else None,
        found_secrets=hidden,
        scanner_version=server.version or report.trivy.version,
        database_at=server.database.updated_at,
        scanned_at=now,
    )


def _failed(digest: str, platform: Platform, now: datetime, reason: str) -> Scan:
    return Scan(digest, str(platform), ScanStatus.FAILED, reason, scanned_at=now)


def _staleness(database: _Database, now: datetime) -> str:
    if database.updated_at is None:
        return "the server does not say how old its vulnerability database is"
    if database.next_update is None or database.next_update >= now:
        return ""
    return f"the vulnerability database is of {database.updated_at:%Y-%m-%d}, and newer ones were to be had since"


def _secrets(report: Report) -> Iterator[Secret]:
    """What is in the image's configuration (its environment, its history) has the image itself as its target."""
    for result in report.results:
        file = "" if result.target == report.artifact_name else result.target
        for each in result.secrets:
            yield Secret(each.rule_id, file, each.start_line, _severity(each.severity), each.title)


def _severity(word: str) -> Severity:
    severity = word.lower()
    return Severity(severity) if severity in set(Severity) else Severity.UNKNOWN


def _vulnerability(found: _Vulnerability, target: str) -> Vulnerability:
    return Vulnerability(
        id=found.vulnerability_id,
        package=found.pkg_name,
        installed_version=found.installed_version,
        fixed_version=found.fixed_version,
        severity=_severity(found.severity),
        title=found.title,
        target=target,
        url=found.primary_url,
        score=_score(found),
        published_at=found.published_date,
        purl=found.pkg_identifier.purl,
    )


def _score(found: _Vulnerability) -> float | None:
    """Of the source that the severity is from, else of NVD, else the highest that anyone gave."""
    for source in (found.severity_source, "nvd"):
        if source in found.cvss and found.cvss[source].score is not None:
            return found.cvss[source].score
    return max((cvss.score for cvss in found.cvss.values() if cvss.score is not None), default=None)
