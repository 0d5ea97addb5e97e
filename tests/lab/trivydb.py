"""A tiny vulnerability database in Trivy's schema 2, as a cache directory or as a registry artifact.

Source: https://github.com/aquasecurity/trivy-db, `pkg/db` and `pkg/types`.
"""

import gzip
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.lab.boltfile import Tree, write_bolt
from tests.lab.images import Login, push_artifact, tar_of

Advisories = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""Source package, then CVE, then the advisory (`FixedVersion`, ...)."""

LAYER = "application/vnd.aquasec.trivy.db.layer.v1.tar+gzip"
CONFIG = "application/vnd.aquasec.trivy.config.v1+json"

_SEVERITIES = ("UNKNOWN", "LOW", "MEDIUM", "HIGH", "CRITICAL")
_ALPINE = {"ID": "alpine", "Name": "Alpine Secdb", "URL": "https://secdb.alpinelinux.org/"}
_PIP = {"ID": "ghsa", "Name": "GitHub Security Advisory Pip", "URL": "https://github.com/advisories"}
_PIP_BUCKET = "pip::GitHub Security Advisory Pip"

ALPINE_RELEASES = ("3.10", "3.19", "3.22", "3.99")
"""3.10 is past its end of life on any day, 3.99 on none."""

OS_VULNERABILITIES = {
    "CVE-2023-5678": ("openssl", "3.1.4-r1", "MEDIUM", 5.3),
    "CVE-2023-6129": ("openssl", "3.1.4-r3", "MEDIUM", 6.5),
    "CVE-2024-0727": ("openssl", "3.1.4-r5", "MEDIUM", 5.5),
    "CVE-2024-6119": ("openssl", "3.1.7-r0", "HIGH", 7.5),
    "CVE-2024-9143": ("openssl", "3.1.7-r1", "LOW", 4.3),
    "CVE-2026-9001": ("openssl", "3.1.9-r0", "CRITICAL", 9.8),
    "CVE-2023-42366": ("busybox", "1.36.1-r16", "MEDIUM", 5.5),
    "CVE-2023-42363": ("busybox", "1.36.1-r17", "MEDIUM", 5.5),
    "CVE-2026-9002": ("busybox", "", "HIGH", 8.1),
}
"""Package, the version that fixes it ("": none does yet), severity and CVSS score."""

PIP_VULNERABILITY = "CVE-2024-56326"
"""In jinja2 before 3.1.5, HIGH."""


def write_database(cache: Path, *, now: datetime, tree: Tree | None = None) -> Path:
    """Write `db/trivy.db` and its metadata below `cache`; returns the folder `db`."""
    folder = cache / "db"
    folder.mkdir(parents=True, exist_ok=True)
    write_bolt(folder / "trivy.db", lab_tree() if tree is None else tree)
    (folder / "metadata.json").write_bytes(_json(_metadata(now)))
    return folder


def push_database(registry_url: str, name: str, folder: Path, *, login: Login = None) -> str:
    """Push it as the artifact that `--db-repository` expects, as a site without internet would; returns its digest."""
    files = {path.name: path.read_bytes() for path in (folder / "metadata.json", folder / "trivy.db")}
    layer = gzip.compress(tar_of(files), mtime=0)
    return push_artifact(
        registry_url, name, config_type=CONFIG, layer_type=LAYER, layer=layer, title="db.tar.gz", login=login
    )


def lab_tree() -> Tree:
    advisories: dict[str, dict[str, Any]] = {}
    for identifier, (package, fixed, _, _) in OS_VULNERABILITIES.items():
        advisories.setdefault(package, {})[identifier] = {"FixedVersion": fixed} if fixed else {}
    texts = {
        identifier: _vulnerability(severity, f"{package}: made-up text for {identifier}", score, "nvd")
        for identifier, (package, _, severity, score) in OS_VULNERABILITIES.items()
    }
    texts[PIP_VULNERABILITY] = _vulnerability("HIGH", "jinja2: sandbox escape (made-up text)", 8.0, "ghsa")
    pip = {"jinja2": {PIP_VULNERABILITY: {"PatchedVersions": ["3.1.5"], "VulnerableVersions": ["<3.1.5"]}}}
    buckets: dict[str, Advisories] = {f"alpine {release}": advisories for release in ALPINE_RELEASES}
    return build_tree({**buckets, _PIP_BUCKET: pip}, texts)


def build_tree(buckets: Mapping[str, Advisories], vulnerabilities: Mapping[str, Mapping[str, Any]]) -> Tree:
    """`buckets` by platform (`alpine 3.19`) or ecosystem (`pip::...`); `vulnerabilities` hold the texts."""
    sources = {bucket: _json(_ALPINE if bucket.startswith("alpine") else _PIP) for bucket in buckets}
    tree: dict[str, bytes | Tree] = {
        bucket: {
            package: {identifier: _json(advisory) for identifier, advisory in found.items()}
            for package, found in packages.items()
        }
        for bucket, packages in buckets.items()
    }
    tree["data-source"] = sources
    tree["vulnerability"] = {identifier: _json(text) for identifier, text in vulnerabilities.items()}
    return tree


def _vulnerability(severity: str, title: str, score: float, source: str) -> dict[str, Any]:
    vector = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
    return {
        "Title": title,
        "Description": f"{title}.",
        "Severity": severity,
        "VendorSeverity": {source: _SEVERITIES.index(severity)},
        "CVSS": {source: {"V3Vector": vector, "V3Score": score}},
        "CweIDs": ["CWE-400"],
        "References": ["https://example.test/advisory"],
        "PublishedDate": "2024-01-02T03:04:05Z",
        "LastModifiedDate": "2024-02-03T04:05:06Z",
    }


def _metadata(now: datetime) -> dict[str, Any]:
    stamp = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    later = (now.astimezone(UTC) + timedelta(days=3650)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"Version": 2, "NextUpdate": later, "UpdatedAt": stamp, "DownloadedAt": stamp}


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
