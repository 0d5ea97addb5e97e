"""A worker that is killed in the middle, as a process of its own."""

import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from tests.lab.postgres import await_no_locks
from uptainer.backups.local import local_stores
from uptainer.backups.store import Stores
from uptainer.core.settings import Settings
from uptainer.fleet.backing_up import back_up_workload
from uptainer.fleet.copying import restore_as
from uptainer.fleet.proving import try_backup
from uptainer.fleet.restoring import restore_backup
from uptainer.fleet.updating import Opens, carry_out, opener
from uptainer.runtimes.connections import connect
from uptainer.store.database import Database
from uptainer.store.repositories.audit import SYSTEM

RUNTIME = "uptainer.runtimes.docker.runtime:DockerRuntime"
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload([__name__])


def back_up(database: Database, opens: Opens, stores: Stores, address: str) -> None:
    back_up_workload(database, address, opens, stores, actor=SYSTEM, reason="test")


def restore(database: Database, opens: Opens, stores: Stores, backup_id: int) -> None:
    restore_backup(database, backup_id, opens, stores, actor=SYSTEM)


def copy(database: Database, opens: Opens, stores: Stores, backup_id: int, name: str) -> None:
    restore_as(database, backup_id, opens, stores, name, actor=SYSTEM, start=True)


def attempt(database: Database, opens: Opens, stores: Stores, backup_id: int) -> None:
    try_backup(database, backup_id, opens, stores, actor=SYSTEM)


def apply(database: Database, opens: Opens, stores: Stores, update_id: int, settings: Settings) -> None:
    carry_out(database, update_id, opens, settings, stores)


def kill(act: Callable[..., None], *given: object, database: Database, root: Path, where: str) -> None:
    """Have a worker do that, and die by SIGKILL when `where` is called: `module:name`, or a call of the runtime."""
    process = _PROCESSES.Process(target=_die, args=(act, given, database.url, root, where))
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL
    await_no_locks(database.url)


def _die(act: Callable[..., None], given: tuple[object, ...], url: str, root: Path, where: str) -> None:
    module, _, path = (where if ":" in where else f"{RUNTIME}.{where}").partition(":")
    owner, _, name = path.rpartition(".")
    setattr(resolve_name(f"{module}:{owner}"), name, _killed)
    database = Database(url)
    act(database, opener(database, connect), local_stores(root), *given)


def _killed(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)
