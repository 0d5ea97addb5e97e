"""A real systemd of the tests' own: PID 1 of a process namespace, with cgroups, `/run` and units that nobody else has.

Its `/sys/fs/cgroup` is a file system of its own, for systemd makes the one that it is given read-only.
"""

import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

import psutil

from tests.lab.docker import require_programs
from tests.lab.room import LabUnavailableError, Room, start_process, wait_until

SYSTEMD = "/lib/systemd/systemd"
_CGROUPS = Path("/sys/fs/cgroup")
_TARGETS = (
    "basic",
    "sysinit",
    "shutdown",
    "umount",
    "exit",
    "reboot",
    "halt",
    "poweroff",
    "rescue",
    "emergency",
)
_START = """
set -e
mount --make-rprivate /
mount -t proc proc /proc
umount --lazy --recursive /sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
for name in $2; do
  mkdir "/sys/fs/cgroup/$name"
  kind=$name
  [ "$name" != systemd ] || kind=none,name=systemd
  mount -t cgroup -o "$kind" cgroup "/sys/fs/cgroup/$name"
done
mount -t tmpfs tmpfs /run
mkdir -p /run/lock /run/systemd/system
mount --bind "$1/machine-id" /etc/machine-id
export container=lab SYSTEMD_UNIT_PATH="$1/units"
export SYSTEMD_GENERATOR_PATH=/nowhere SYSTEMD_ENVIRONMENT_GENERATOR_PATH=/nowhere
exec /lib/systemd/systemd --system --unit=lab.target --log-target=console --show-status=no
"""
_JOIN = """
set -e
for folder in $3; do echo $$ > "$folder/cgroup.procs"; done
exec unshare --cgroup --pid --mount --ipc --uts --fork --kill-child sh -c "$0" start "$1" "$2"
"""


class Systemd:
    """`enter` is what a command that runs beside its units begins with; `programs` has a `systemctl` that speaks to it."""

    def __init__(self, room: Room) -> None:
        require_programs({"unshare": "util-linux", "nsenter": "util-linux", "systemctl": "systemd"})
        if os.geteuid() != 0 or not Path(SYSTEMD).exists() or not (_CGROUPS / "systemd").exists():
            raise LabUnavailableError(
                "a private systemd needs root, the package systemd, and cgroups of version 1"
            )
        self.directory = room.directory("systemd")
        self.units = self.directory / "units"
        self.programs = self.directory / "bin"
        self._cgroups = self._make_cgroups(f"uptainer-lab-{room.number}")
        self._write()
        arguments = [str(self.directory), " ".join(each.parent.name for each in self._cgroups)]
        folders = " ".join(map(str, self._cgroups))
        command = ["sh", "-c", _JOIN, _START, *arguments, folders]
        self._process = start_process(command, log=self.directory / "systemd.log")
        try:
            self.pid = self._await_pid()
            self._write_systemctl()
        except TimeoutError as error:
            self.close()
            raise LabUnavailableError(str(error)) from error

    @property
    def enter(self) -> list[str]:
        return ["nsenter", f"--target={self.pid}", "--mount", "--pid", "--cgroup", "--"]

    def write_unit(self, name: str, text: str) -> None:
        (self.units / name).write_text(text)
        self.systemctl("daemon-reload")

    def systemctl(self, *arguments: str) -> str:
        done = subprocess.run(
            [self.programs / "systemctl", *arguments], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, f"systemctl {' '.join(arguments)}: {done.stderr}"
        return done.stdout.strip()

    def close(self) -> None:
        """PID 1 takes all of its namespace with it; then its cgroups are empty."""
        with suppress(psutil.NoSuchProcess):
            for each in psutil.Process(self._process.pid).children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    each.kill()
        self._process.kill()
        self._process.wait(timeout=10)
        with suppress(TimeoutError):
            wait_until(self._has_no_cgroups, what="its cgroups were not empty", timeout=10, pause=0.2)

    def _has_no_cgroups(self) -> bool:
        """A process that was killed leaves its cgroup a little later."""
        for top in self._cgroups:
            folders = sorted((each for each in top.rglob("*") if each.is_dir()), reverse=True)
            for folder in (*folders, top):
                with suppress(OSError):
                    folder.rmdir()
        return not any(top.exists() for top in self._cgroups)

    def _await_pid(self) -> int:
        found: list[int] = []

        def has_started() -> bool:
            if self._process.poll() is not None:
                raise TimeoutError(f"systemd ended: {(self.directory / 'systemd.log').read_text()[-300:]}")
            with suppress(psutil.NoSuchProcess):  # what sets it up comes and goes meanwhile
                children = psutil.Process(self._process.pid).children(recursive=True)
                found[:] = [each.pid for each in children if SYSTEMD in each.cmdline()[:1]]
            ready = found and Path(f"/proc/{found[0]}/root/run/systemd/private").exists()
            return bool(ready)

        wait_until(has_started, what="systemd did not start", pause=0.1)
        return found[0]

    def _make_cgroups(self, name: str) -> list[Path]:
        made = []
        for controller in sorted(each for each in _CGROUPS.iterdir() if (each / "tasks").exists()):
            folder = controller / name
            folder.mkdir(exist_ok=True)
            for setting in ("cpuset.cpus", "cpuset.mems"):
                if (folder / setting).exists():
                    (folder / setting).write_text((controller / setting).read_text())
            made.append(folder)
        return made

    def _write(self) -> None:
        self.units.mkdir()
        self.programs.mkdir()
        (self.directory / "machine-id").write_text(f"{1:032x}\n")
        for target in ("lab", *_TARGETS):
            text = "[Unit]\nDescription=of the lab\nDefaultDependencies=no\n"
            (self.units / f"{target}.target").write_text(text)

    def _write_systemctl(self) -> None:
        real = shutil.which("systemctl")
        script = self.programs / "systemctl"
        script.write_text(f'#!/bin/sh\nexec {" ".join(self.enter)} {real} "$@"\n')
        script.chmod(0o755)
