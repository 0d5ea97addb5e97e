"""Stopping a running `uptainer up` from another process."""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from uptainer.console.lock import holder
from uptainer.console.record import NOT_RUNNING
from uptainer.core.errors import BusyError, NotFoundError

PATIENCE_SECONDS = 90.0
_POLL_SECONDS = 0.1


def stop(data_dir: Path) -> int:
    """Ask the holder of the directory's lock to end, and wait until it has; returns its process id.

    Only the process that holds the lock is ever signalled, so a number that was used again is no danger.

    Raises:
        NotFoundError: none is running.
        BusyError: it has not ended in a minute and a half.
    """
    pid = holder(data_dir)
    if not pid:
        raise NotFoundError(NOT_RUNNING.format(data_dir))
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while holder(data_dir) == pid:
        if time.monotonic() > deadline:
            raise BusyError(
                f"process {pid} has not stopped in {PATIENCE_SECONDS:.0f} seconds: it is still stopping its runs"
            )
        time.sleep(_POLL_SECONDS)
    return pid
