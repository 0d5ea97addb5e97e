"""Flow runs that outlived an `uptainer up` that was killed.

Nothing watches such a process any more, and its server is gone; `recover` finishes or undoes what it was doing, and
must not meet it. Found by the data directory in its environment (proc(5)); on systems without /proc nothing is found.
"""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

PATIENCE_SECONDS = 10.0
_POLL_SECONDS = 0.1
_MARK = b"PREFECT__FLOW_RUN_ID="


def end(data_dir: Path) -> int:
    """SIGTERM, then SIGKILL for what is still there after ten seconds; how many there were.

    Call it while holding the data directory: then no flow run of this directory is anyone's child.
    """
    found = _flow_runs(data_dir)
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        if _gone(data_dir):
            break
    return len(found)


def _gone(data_dir: Path) -> bool:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while _flow_runs(data_dir):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _flow_runs(data_dir: Path) -> list[int]:
    place = f"UPTAINER_DATA_DIR={data_dir}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            variables = (folder / "environ").read_bytes().split(b"\0")
            if place in variables and any(each.startswith(_MARK) for each in variables):
                found.append(int(folder.name))
    return found
