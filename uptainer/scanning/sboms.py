"""Bills of materials out of a scan's own report: the image is not read a second time.

Source: https://trivy.dev/docs/latest/supply-chain/sbom/ and `trivy convert --help` of Trivy 0.76; CycloneDX 1.7, SPDX 2.3.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from uptainer.core.enums import SbomFormat
from uptainer.core.errors import PermanentError
from uptainer.core.sboms import Sbom

MAX_BYTES = 64 * 1024 * 1024
_NAMES = {SbomFormat.CYCLONEDX: "cyclonedx", SbomFormat.SPDX: "spdx-json"}
_PARTS = {SbomFormat.CYCLONEDX: "components", SbomFormat.SPDX: "packages"}
_PASSING = {SbomFormat.CYCLONEDX: "vulnerabilities"}
"""What is known of an image today, and not of what it is made of: scans keep that."""


def conversion(report: str, kind: SbomFormat) -> tuple[list[str], str]:
    """Trivy's arguments that make one out of a report that lists all packages, and the file that they write."""
    output = f"{kind}.json"
    return [
        "convert",
        "--config",
        "",
        "--quiet",
        "--format",
        _NAMES[kind],
        "--output",
        output,
        report,
    ], output


def read_sbom(path: Path, kind: SbomFormat, *, made_by: str, max_bytes: int = MAX_BYTES) -> Sbom:
    """The document that Trivy wrote.

    Raises:
        PermanentError: it is larger than `max_bytes`, or is none.
    """
    size = path.stat().st_size if path.exists() else 0
    if size > max_bytes:
        raise PermanentError(f"the {kind} document has {size} bytes, more than the {max_bytes} that are kept")
    try:
        content: Mapping[str, Any] = json.loads(path.read_bytes() if size else b"")
        kept = {name: value for name, value in content.items() if name != _PASSING.get(kind)}
        components = len(kept.get(_PARTS[kind]) or ())
    except (ValueError, AttributeError, TypeError) as error:
        raise PermanentError(f"the {kind} document that Trivy wrote cannot be read") from error
    return Sbom(kind, json.dumps(kept, separators=(",", ":")).encode(), components, made_by)
