import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from uptainer.core.enums import ScanStatus, Severity
from uptainer.core.errors import PermanentError
from uptainer.core.findings import Scan
from uptainer.core.platform import Platform
from uptainer.scanning.report import read_report, scan_from

NOW = datetime(2026, 5, 1, tzinfo=UTC)
AMD64 = Platform("linux", "amd64")


def report(path: Path, **changes: Any) -> Path:
    body = {
        "SchemaVersion": 2,
        "Trivy": {
            "Version": "0.76.0",
            "Server": {
                "Version": "0.75.0",
                "VulnerabilityDB": {
                    "UpdatedAt": "2026-04-30T00:00:00Z",
                    "NextUpdate": "2026-05-02T00:00:00Z",
                },
            },
        },
        "Metadata": {"ImageConfig": {"os": "linux", "architecture": "amd64"}},
        **changes,
    }
    path.write_text(json.dumps(body))
    return path


def read(path: Path, platform: Platform = AMD64) -> Scan:
    return scan_from(read_report(path, subject="app"), digest="sha256:a", platform=platform, now=NOW)


def vulnerability(**changes: Any) -> dict[str, Any]:
    return {"VulnerabilityID": "CVE-1", "PkgName": "openssl", "Severity": "HIGH", **changes}


def test_an_image_without_a_distribution_has_no_known_end_of_life(tmp_path: Path) -> None:
    scan = read(report(tmp_path / "r"))
    assert (scan.status, scan.end_of_life, scan.os_family) == (ScanStatus.SUCCEEDED, None, "")
    assert scan.scanner_version == "0.75.0"


def test_a_database_that_should_have_been_updated_is_said_to_be_old(tmp_path: Path) -> None:
    server = {"VulnerabilityDB": {"UpdatedAt": "2026-04-01T00:00:00Z", "NextUpdate": "2026-04-02T00:00:00Z"}}
    scan = read(report(tmp_path / "r", Trivy={"Server": server}))
    assert scan.status is ScanStatus.SUCCEEDED
    assert "of 2026-04-01" in scan.reason


def test_a_server_that_does_not_say_how_old_its_database_is_is_not_taken_for_new(tmp_path: Path) -> None:
    assert "does not say" in read(report(tmp_path / "r", Trivy={})).reason


@pytest.mark.parametrize(
    ("image", "asked", "status"),
    [
        ({"os": "linux", "architecture": "arm64", "variant": "v8"}, "linux/arm64", ScanStatus.SUCCEEDED),
        ({"os": "linux", "architecture": "arm", "variant": "v6"}, "linux/arm/v7", ScanStatus.SUCCEEDED),
        ({"os": "linux", "architecture": "amd64"}, "linux/arm64", ScanStatus.FAILED),
        ({"os": "windows", "architecture": "amd64"}, "linux/amd64", ScanStatus.FAILED),
        ({}, "linux/amd64", ScanStatus.FAILED),
    ],
)
def test_only_the_platform_that_was_asked_for_is_a_scan(
    tmp_path: Path, image: dict[str, str], asked: str, status: ScanStatus
) -> None:
    scan = read(report(tmp_path / "r", Metadata={"ImageConfig": image}), Platform.parse(asked))
    assert scan.status is status
    assert bool(scan.reason) is (status is ScanStatus.FAILED)


@pytest.mark.parametrize(
    ("fields", "score"),
    [
        ({}, None),
        ({"CVSS": {"ghsa": {"V3Score": 5.0}, "nvd": {"V3Score": 9.0}}, "SeveritySource": "ghsa"}, 5.0),
        ({"CVSS": {"nvd": {"V2Score": 4.0, "V3Score": 9.0}, "redhat": {"V3Score": 9.9}}}, 9.0),
        ({"CVSS": {"nvd": {"V2Score": 4.0}}}, 4.0),
        ({"CVSS": {"a": {"V3Score": 5.0}, "b": {"V40Score": 8.0}}}, 8.0),
    ],
)
def test_the_score_is_of_the_source_of_the_severity_then_of_nvd(
    tmp_path: Path, fields: dict[str, Any], score: float | None
) -> None:
    results = [{"Target": "app", "Vulnerabilities": [vulnerability(**fields)]}]
    assert read(report(tmp_path / "r", Results=results)).vulnerabilities[0].score == score


def test_a_severity_that_is_not_known_is_unknown_and_kept(tmp_path: Path) -> None:
    results = [{"Target": "app", "Vulnerabilities": [vulnerability(Severity="NEGLIGIBLE")]}]
    assert read(report(tmp_path / "r", Results=results)).vulnerabilities[0].severity is Severity.UNKNOWN


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "cannot be read"),
        ("{", "cannot be read"),
        ("[]", "cannot be read"),
        ('{"SchemaVersion": 3}', "schema 3"),
    ],
)
def test_what_is_no_report_is_refused(tmp_path: Path, text: str, fault: str) -> None:
    path = tmp_path / "r"
    path.write_text(text)
    with pytest.raises(PermanentError, match=fault):
        read_report(path, subject="app")


def test_a_report_that_was_never_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="app"):
        read_report(tmp_path / "missing", subject="app")


def test_a_report_of_any_size_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="more than the 10"):
        read_report(report(tmp_path / "r"), subject="app", max_bytes=10)
