"""Where the Trivy program is."""

import os
import shutil
from pathlib import Path

from uptainer.core.errors import UnsupportedError

INSTALL = "install Trivy (https://trivy.dev/docs/latest/getting-started/installation/), or name its path with UPTAINER_TRIVY_PATH"


def find_trivy(explicit: Path | None = None) -> Path:
    """The program at the path given, else the first `trivy` on PATH.

    Raises:
        UnsupportedError: there is none; the message says how to get it.
    """
    if explicit is None:
        found = shutil.which("trivy")
        if found is None:
            raise UnsupportedError(f"there is no trivy on this machine's PATH: {INSTALL}")
        return Path(found)
    if not (explicit.is_file() and os.access(explicit, os.X_OK)):
        raise UnsupportedError(f"{explicit} is not a program that can be run: {INSTALL}")
    return explicit
