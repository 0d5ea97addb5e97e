"""Which account the embedded PostgreSQL runs as: it refuses to be run by root."""

import logging
import os
import pwd
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from uptainer.core.errors import UnsupportedError

SYSTEM_ACCOUNT = "uptainer"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Account:
    """`switch` is true where a process must be started as this account, for we are root."""

    name: str
    uid: int
    gid: int
    switch: bool

    @classmethod
    def for_directory(cls, directory: Path) -> Self:
        """Ours; for root, whom the directory belongs to already, else the system account, made where it is missing."""
        if os.geteuid() != 0:
            own = pwd.getpwuid(os.geteuid())
            return cls(own.pw_name, own.pw_uid, own.pw_gid, switch=False)
        owner = directory.stat().st_uid if directory.exists() else 0
        entry = pwd.getpwuid(owner) if owner else _system_account()
        return cls(entry.pw_name, entry.pw_uid, entry.pw_gid, switch=True)

    @property
    def process_options(self) -> dict[str, Any]:
        """For `subprocess`: who the process is."""
        if not self.switch:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def take(self, path: Path) -> None:
        """Give a directory to the account, closed to everybody else."""
        path.chmod(stat.S_IRWXU)
        if self.switch:
            os.chown(path, self.uid, self.gid)

    def let_through(self, path: Path) -> None:
        """Let the account reach a path below directories of root's: to pass through them, not to list them."""
        if not self.switch:
            return
        for directory in path.resolve().parents:
            mode = directory.stat().st_mode
            if not self._may_search(directory.stat()):
                _log.warning("%s: chmod o+x, for PostgreSQL runs as %s and must pass", directory, self.name)
                directory.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)

    def _may_search(self, status: os.stat_result) -> bool:
        if status.st_uid == self.uid:
            return bool(status.st_mode & stat.S_IXUSR)
        if status.st_gid == self.gid:
            return bool(status.st_mode & stat.S_IXGRP)
        return bool(status.st_mode & stat.S_IXOTH)


def _system_account() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(SYSTEM_ACCOUNT)
    except KeyError:
        _create_account()
        return pwd.getpwnam(SYSTEM_ACCOUNT)


def _create_account() -> None:
    program = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    advice = f"make a system account named {SYSTEM_ACCOUNT}, or run Uptainer as another user than root"
    if program is None:
        raise UnsupportedError(f"PostgreSQL refuses to be run by root, and there is no useradd: {advice}")
    command = [program, "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin"]
    done = subprocess.run([*command, SYSTEM_ACCOUNT], check=False, capture_output=True, text=True, timeout=60)  # noqa: S603 -- a fixed command
    exists = 9
    if done.returncode not in {0, exists}:
        raise UnsupportedError(f"PostgreSQL refuses to be run by root; {advice} ({done.stderr.strip()})")
