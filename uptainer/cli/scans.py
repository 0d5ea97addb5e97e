"""`uptainer scans`: what the scanner found in the images."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from uptainer.cli.groups import examples, group
from uptainer.cli.output import AsJson

if TYPE_CHECKING:
    from uptainer.core.findings import Scan
    from uptainer.store.repositories.scans import ScanView

Name = Annotated[str | None, typer.Argument(metavar="NAME", help="A part of the image's name.")]
Image = Annotated[
    str,
    typer.Argument(
        metavar="IMAGE", help="A part of the image's name, the begin of its digest, or a scan's id."
    ),
]
Limit = Annotated[int, typer.Option("--limit", min=1, max=10_000, help="So many, the newest first.")]


@dataclass(frozen=True, slots=True)
class ScanLine:
    """`end_of_life` is None where it is not known."""

    id: int
    image: str
    digest: str
    platform: str
    status: str
    critical: int
    high: int
    medium: int
    low: int
    end_of_life: bool | None
    scanned_at: datetime
    why: str


@dataclass(frozen=True, slots=True)
class VulnerabilityLine:
    severity: str
    id: str
    package: str
    installed: str
    fixed_in: str
    title: str
    url: str


@dataclass(frozen=True, slots=True)
class SecretLine:
    """Where a secret is; its value is nowhere."""

    severity: str
    rule: str
    place: str
    title: str


@dataclass(frozen=True, slots=True)
class Found:
    """One scan, whole."""

    scan: ScanLine
    os: str
    secrets: int | None
    scanner: str
    database_at: datetime | None
    vulnerabilities: tuple[VulnerabilityLine, ...]
    found_secrets: tuple[SecretLine, ...]


def register(app: typer.Typer) -> None:
    ours = group(app, "scans", doc="What the scanner found: list the scans, or show one image's findings.")
    ours.command("list", epilog=examples("uptainer scans", "uptainer scans nginx --json"))(list_)
    ours.command(epilog=examples("uptainer scans show nginx", "uptainer scans show sha256:4f2a --json"))(show)


def list_(name: Name = None, limit: Limit = 100, as_json: AsJson = False) -> None:
    """List the scans, the newest first."""
    from uptainer.cli.connection import database  # noqa: PLC0415 -- help and completion need none of it
    from uptainer.cli.rows import print_rows  # noqa: PLC0415 -- as above
    from uptainer.store.repositories.scans import ScanRepository  # noqa: PLC0415 -- as above

    with database() as opened, opened.session() as session:
        lines = [_line(view) for view in ScanRepository(session).listing(name=name, limit=limit)]
    columns = ("id", "image", "platform", "status", "critical", "high", "medium", "low", "scanned_at", "why")
    nothing = "No image has been scanned that matches: uptainer run scan"
    print_rows(lines, columns, as_json=as_json, nothing=nothing)


def show(image: Image, as_json: AsJson = False) -> None:
    """Show every vulnerability of one image, by its newest scan."""
    from uptainer.cli.output import print_json  # noqa: PLC0415 -- help and completion need none of it
    from uptainer.cli.rows import heading, print_facts, print_rows  # noqa: PLC0415 -- as above

    found = _find(image)
    if as_json:
        print_json(found)
        return
    scan = found.scan
    heading(f"{scan.image} ({scan.digest[:19]}, {scan.platform})")
    facts = {
        "status": scan.status,
        "why": scan.why,
        "system": found.os,
        "end of life": {True: "yes", False: "no", None: "unknown"}[scan.end_of_life],
        "secrets found": "unknown" if found.secrets is None else str(found.secrets),
        "scanned": scan.scanned_at,
        "vulnerabilities known until": found.database_at,
    }
    print_facts(facts)
    columns = ("severity", "id", "package", "installed", "fixed_in", "title")
    nothing = (
        "No vulnerability was found."
        if scan.status == "succeeded"
        else "Nothing is known of its vulnerabilities."
    )
    print_rows(found.vulnerabilities, columns, as_json=False, nothing=nothing)
    if found.found_secrets:
        heading("Secrets")
        print_rows(found.found_secrets, ("severity", "rule", "place", "title"), as_json=False, nothing="")


def _find(image: str) -> Found:
    from uptainer.cli.connection import database  # noqa: PLC0415 -- help and completion need none of it
    from uptainer.core.errors import NotFoundError  # noqa: PLC0415 -- as above
    from uptainer.store.repositories.scans import ScanRepository  # noqa: PLC0415 -- as above

    with database() as opened, opened.session() as session:
        scans = ScanRepository(session)
        for view in scans.listing(limit=10_000):
            if _is_meant(view, image):
                scan = scans.by_id(view.scan.id)
                assert scan is not None, "it was listed in this transaction"
                return _found(view, scan)
    raise NotFoundError(f"no scan of {image!r} is there: see `uptainer scans`")


def _is_meant(view: "ScanView", image: str) -> bool:
    if image.isascii() and image.isdigit():
        return view.scan.id == int(image)
    return image.lower() in (view.image.name or "").lower() or view.image.digest.startswith(image)


def _line(view: "ScanView") -> ScanLine:
    scan, image = view.scan, view.image
    counts = scan.counts
    return ScanLine(
        id=scan.id,
        image=image.name or image.digest[:19],
        digest=image.digest,
        platform=image.platform,
        status=str(scan.status),
        critical=counts.get("critical", 0),
        high=counts.get("high", 0),
        medium=counts.get("medium", 0),
        low=counts.get("low", 0),
        end_of_life=scan.end_of_life,
        scanned_at=scan.scanned_at,
        why=scan.reason,
    )


def _found(view: "ScanView", scan: "Scan") -> Found:
    lines = tuple(
        VulnerabilityLine(
            str(each.severity),
            each.id,
            each.package,
            each.installed_version,
            each.fixed_version,
            each.title,
            each.url,
        )
        for each in scan.vulnerabilities
    )
    os = f"{scan.os_family} {scan.os_version}".strip()
    secrets = tuple(
        SecretLine(str(each.severity), each.rule, each.place, each.title) for each in scan.found_secrets
    )
    return Found(_line(view), os, scan.secrets, scan.scanner_version, scan.database_at, lines, secrets)
