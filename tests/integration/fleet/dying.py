"""A worker that is killed in the middle: `python -m tests.integration.fleet.dying URL ROOT ADDRESS BACKUP WHERE`.

It backs ADDRESS up (BACKUP 0), restores BACKUP, or tries a restore of it (`try BACKUP`), and kills itself with SIGKILL at the engine call named WHERE.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from uptainer.backups.local import local_stores
from uptainer.core.workloads import HostAddress
from uptainer.fleet.backing_up import back_up_workload
from uptainer.fleet.proving import try_backup
from uptainer.fleet.restoring import restore_backup
from uptainer.fleet.updating import opener
from uptainer.runtimes.connections import connect
from uptainer.store.database import Database
from uptainer.store.repositories.audit import SYSTEM


class Dying:
    """A runtime that dies with its process when the named call begins."""

    def __init__(self, runtime: Any, where: str) -> None:
        self._runtime = runtime
        self._where = where

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name == self._where:
            os.kill(os.getpid(), signal.SIGKILL)
        return getattr(self._runtime, name)  # type: ignore[no-any-return]  # whatever the runtime has


def main(url: str, root: str, address: str, backup: str, where: str) -> None:
    database = Database(url)

    def dying(host: HostAddress) -> Any:
        return Dying(connect(host), where)

    opens, stores = opener(database, dying), local_stores(Path(root))
    if backup == "0":
        back_up_workload(database, address, opens, stores, actor=SYSTEM, reason="test")
    elif backup.startswith("try "):
        number = int(backup.removeprefix("try "))
        try_backup(database, number, opens, stores, actor=SYSTEM)
    else:
        restore_backup(database, int(backup), opens, stores, actor=SYSTEM)


if __name__ == "__main__":
    main(*sys.argv[1:])
