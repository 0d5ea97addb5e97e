"""A real process that carries an update out and is killed by SIGKILL at one line of its journal."""

import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab.postgres import await_no_locks
from uptainer.backups.local import local_stores
from uptainer.core.secrets import HostSecret
from uptainer.core.workloads import HostAddress, Mount
from uptainer.runtimes.connections import connect
from uptainer.runtimes.port import Runtime
from uptainer.store.database import Database
from uptainer.updates.engine import apply
from uptainer.updates.journal import Journal
from uptainer.updates.options import UpdateOptions

PATIENCE = 300.0


@dataclass(frozen=True, slots=True)
class Death:
    """When it dies: at the journal's line `method` of `step`, before it is committed or after it is.

    `intend` committed is before the act, `done` not committed is after it; `undoing` and `undone` are the undo's. The
    methods `read_mount` and `write_mount` die in the middle of the data.
    """

    method: str
    step: str
    committed: bool = False

    def __str__(self) -> str:
        return f"{self.step}-{self.method}-{'after' if self.committed else 'before'}"


@dataclass(frozen=True, slots=True)
class Work:
    """An update, and all that another process needs to carry it out."""

    update_id: int
    database_url: str
    address: HostAddress
    secret: HostSecret | None
    options: UpdateOptions
    backups: Path


def apply_and_die(work: Work, death: Death) -> bool:
    """Carry the update out in a process that dies; False where it never came to the line, and the update has ended.

    Raises:
        TimeoutError: neither happened.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=_work, args=(work, death), daemon=True)
    process.start()
    process.join(PATIENCE)
    if process.exitcode is None:
        process.kill()
        process.join()
        raise TimeoutError(f"the update did not come to {death} within {PATIENCE:.0f} s")
    await_no_locks(work.database_url)
    return process.exitcode == -signal.SIGKILL


def _work(work: Work, death: Death) -> None:
    with connect(work.address, work.secret) as runtime:
        if death.method in {"read_mount", "write_mount"}:
            _die_in_the_data(runtime, death)
        else:
            _die_at_a_line(death)
        with suppress(Exception):
            apply(
                work.update_id, Database(work.database_url), runtime, work.options, local_stores(work.backups)
            )


def _die_at_a_line(death: Death) -> None:
    real = getattr(Journal, death.method)

    def line(self: Journal, step: Any, *arguments: Any, **options: Any) -> None:
        ours = getattr(step, "name", step) == death.step
        if ours and not death.committed:
            _die()
        real(self, step, *arguments, **options)
        if ours:
            _die()

    setattr(Journal, death.method, line)


def _die_in_the_data(runtime: Runtime, death: Death) -> None:
    real_write = runtime.write_mount

    def write(key: str, mount: Mount, tar: Iterator[bytes]) -> None:
        real_write(key, mount, _cut(tar))

    def read(key: str, mount: Mount) -> Any:
        _die()

    if death.method == "write_mount":
        runtime.write_mount = write  # type: ignore[method-assign]  # -- the moment is what is tested
    else:
        runtime.read_mount = read  # type: ignore[method-assign]  # -- the moment is what is tested


def _cut(tar: Iterator[bytes]) -> Iterator[bytes]:
    whole = b"".join(tar)
    yield whole[: len(whole) // 2]
    _die()


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
