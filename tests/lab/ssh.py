"""An SSH server of the tests' own, for this user, on a free loopback port; the machine's own is left alone."""

import os
import shutil
import subprocess
from pathlib import Path

import psutil

from tests.lab.docker import require_programs
from tests.lab.room import (
    LabUnavailableError,
    Room,
    accepts_connections,
    free_port,
    start_process,
    stop_process,
    wait_until,
)
from uptainer.core.secrets import SshSecret

NEEDED = {"sshd": "openssh-server", "ssh": "openssh-client", "ssh-keygen": "openssh-client"}
HOST = "127.0.0.1"


class SshServer:
    def __init__(self, room: Room) -> None:
        require_programs(NEEDED)
        if os.geteuid() != 0:
            raise LabUnavailableError("the lab's SSH server needs root")
        self.directory = room.directory("ssh")
        self.port = free_port()
        self.log = self.directory / "sshd.log"
        self.host_key = make_key(self.directory / "host")
        self.user_key = make_key(self.directory / "user")
        (self.directory / "authorized_keys").write_text(public(self.user_key))
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd confines its helper to this empty place
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"ssh://root@{HOST}:{self.port}"

    @property
    def known_hosts(self) -> str:
        """As `ssh-keyscan` prints it."""
        return self.known_as(self.host_key)

    @property
    def secret(self) -> SshSecret:
        return SshSecret(self.user_key.read_text(), self.known_hosts)

    def known_as(self, key: Path) -> str:
        kind, text = public(key).split()[:2]
        return f"[{HOST}]:{self.port} {kind} {text}\n"

    def start(self, **options: str) -> None:
        """With more options than are needed, or others, as sshd_config(5) has them."""
        given = {
            "Port": str(self.port),
            "ListenAddress": HOST,
            "HostKey": str(self.host_key),
            "AuthorizedKeysFile": str(self.directory / "authorized_keys"),
            "PidFile": str(self.directory / "pid"),
            "StrictModes": "no",
            "UsePAM": "no",
            "PermitRootLogin": "prohibit-password",
            "PasswordAuthentication": "no",
            "KbdInteractiveAuthentication": "no",
            **options,
        }
        config = self.directory / "sshd_config"
        config.write_text("".join(f"{name} {value}\n" for name, value in given.items()))
        program = shutil.which("sshd")
        assert program, "it was asked for"
        self._process = start_process([program, "-D", "-e", "-f", str(config)], log=self.log)
        wait_until(lambda: accepts_connections(self.port), what="sshd did not answer")

    def stop(self) -> None:
        if self._process is not None:
            stop_process(self._process)
            self._process = None

    def restart(self, **options: str) -> None:
        self.stop()
        self.start(**options)

    def cut(self) -> None:
        """As a network that fails: every connection is gone, and new ones are taken."""
        assert self._process is not None
        for child in psutil.Process(self._process.pid).children(recursive=True):
            child.kill()

    def close(self) -> None:
        self.stop()


def make_key(path: Path, passphrase: str = "") -> Path:
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", str(path)]
    subprocess.run(command, check=True, capture_output=True, timeout=20)
    return path


def public(key: Path) -> str:
    return key.with_suffix(".pub").read_text()
