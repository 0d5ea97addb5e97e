"""An engine on another machine by SSH: OpenSSH's own client holds the connection and forwards a socket of ours to its.

So everything that a person's ssh can do (jump hosts, agents, keys on hardware) works, and its security is not ours to
keep up. Source: ssh(1), ssh_config(5). See docs/decisions/0014-openssh-holds-the-connection.md.
"""

import os
import shlex
import shutil
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack

from uptainer.core.errors import InvalidInputError, UnreachableError, UnsupportedError, UptainerError
from uptainer.core.secrets import SshSecret
from uptainer.core.workloads import HostAddress
from uptainer.runtimes.addresses import ssh_target
from uptainer.runtimes.engine.commands import Ran, ended
from uptainer.runtimes.engine.private_files import private_file
from uptainer.runtimes.engine.sockets import PatientSocket, dial_unix
from uptainer.runtimes.engine.ssh_faults import failure, no_channel
from uptainer.runtimes.engine.ssh_keys import check_secret
from uptainer.runtimes.engine.ssh_process import SshProcess

_POLL = 0.02
_SSH_FAILED = 255  # ssh's own exit code, where the command's would stand
_ALWAYS = {
    "BatchMode": "yes",
    "StrictHostKeyChecking": "yes",
    "UpdateHostKeys": "no",
    "VerifyHostKeyDNS": "no",
    "ControlMaster": "yes",
    "ControlPersist": "no",
    "ClearAllForwardings": "yes",
    "ForwardAgent": "no",
    "ForwardX11": "no",
    "PermitLocalCommand": "no",
    "RequestTTY": "no",
    "ConnectionAttempts": "1",
    "ServerAliveInterval": "15",
    "ServerAliveCountMax": "3",
    "LogLevel": "INFO",
}
"""What holds whatever the user's own configuration says."""
_ALONE = {
    "IdentitiesOnly": "yes",
    "IdentityAgent": "none",
    "GlobalKnownHostsFile": "/dev/null",
    "PreferredAuthentications": "publickey",
}
"""With a secret, nothing but that secret counts."""


class SshTunnel:
    """One connection, made when it is first needed and again when it was lost. Safe to use from several threads."""

    def __init__(self, address: HostAddress, secret: SshSecret | None) -> None:
        """Without a secret, the user's own ssh configuration, agent and known hosts count.

        Raises:
            InvalidInputError: the URL is none of SSH, or the secret can't be one.
            UnsupportedError: there is no OpenSSH client on this machine.
        """
        self._address = address
        self._secret = secret
        if secret is not None:
            _check(secret, address.name)
        self.target = ssh_target(address)
        self._program = shutil.which("ssh") or ""
        if not self._program:
            raise UnsupportedError(
                f"{address.name}: there is no `ssh` on this machine (on Debian: apt-get install openssh-client)"
            )
        self._lock = threading.Lock()
        self._process: SshProcess | None = None
        self._closed = False

    def dial(self, timeout: float) -> PatientSocket:
        """A connection to the engine.

        Raises:
            UnreachableError: nobody answers there within `timeout` seconds, or not as SSH.
            AccessDeniedError: the host's key is not the one that is known, or ours lets nobody in.
            OSError: the connection ended in this moment.
        """
        process = self._connected(timeout)
        try:
            return dial_unix(str(process.socket), timeout)
        except ConnectionRefusedError:
            if not process.has_ended():
                raise
        return dial_unix(str(self._connected(timeout).socket), timeout)

    def run(self, command: Sequence[str], *, timeout: float) -> Ran:
        """Run a command there, over the same connection; the words are quoted for the shell that sshd hands them to.

        Raises:
            UnreachableError, AccessDeniedError: as `dial`.
        """
        process = self._connected(timeout)
        words = self._there(process, command)
        ran = ended(words, host=self._address.name, timeout=timeout, called=command[0])
        if ran.exit_code == _SSH_FAILED and not process.is_up:
            raise self._failure(process)
        return ran

    def words(self, command: Sequence[str], *, timeout: float) -> list[str]:
        """What to start here so that `command` runs there, with its streams; raises as `dial`."""
        return self._there(self._connected(timeout), command)

    def explain(self) -> UptainerError | None:
        """Why a call over the tunnel has just failed, where ssh knows."""
        process = self._process
        if process is None:
            return None
        if process.has_ended():
            return self._failure(process)
        return no_channel(process.news(), self._address, self.target)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            if self._process is not None:
                self._process.close()
                self._process = None

    def _connected(self, timeout: float) -> SshProcess:
        until = time.monotonic() + timeout
        if not self._lock.acquire(timeout=timeout):
            raise self._silence(timeout)
        try:
            if self._closed:
                raise UnreachableError(f"{self._address.name}: the connection was closed")
            if self._process is None or not self._process.is_up:
                self._connect(until, timeout)
            assert self._process is not None
            return self._process
        finally:
            self._lock.release()

    def _connect(self, until: float, timeout: float) -> None:
        if self._process is not None:
            self._process.close()
            self._process = None
        with ExitStack() as undo:
            process = undo.enter_context(SshProcess())
            with ExitStack() as shown:
                process.start(self._command(process, shown, timeout))
                self._await(process, until, timeout)
            self._forward(process, max(until - time.monotonic(), _POLL))
            self._process = process
            undo.pop_all()

    def _command(self, process: SshProcess, shown: ExitStack, timeout: float) -> list[str]:
        options = {
            **_ALWAYS,
            "ControlPath": str(process.control),
            "ConnectTimeout": str(max(1, round(timeout))),
        }
        words = [self._program, "-N"]
        if self._secret is not None:
            known = process.folder / "known_hosts"
            known.write_text(self._secret.known_hosts.strip() + "\n", encoding="utf-8")
            key = shown.enter_context(private_file(self._secret.private_key.strip() + "\n"))
            options |= {**_ALONE, "UserKnownHostsFile": str(known), "IdentityFile": key}
            words += ["-F", os.devnull]
        words += [f"-o{name}={value}" for name, value in options.items()]
        words += ["-l", self.target.user] if self.target.user else []
        words += ["-p", str(self.target.port)] if self.target.port else []
        return [*words, "--", self.target.host]

    def _await(self, process: SshProcess, until: float, timeout: float) -> None:
        """Until it is let in: then it listens on its control socket. The key is needed no longer."""
        while not process.control.exists():
            if not process.is_up:
                raise self._failure(process)
            if time.monotonic() > until:
                raise self._silence(timeout)
            time.sleep(_POLL)

    def _forward(self, process: SshProcess, timeout: float) -> None:
        words = [*self._through(process), "-O", "forward", "-L", f"{process.socket}:{self.target.socket}"]
        ran = ended([*words, "--", self.target.host], host=self._address.name, timeout=timeout, called="ssh")
        if ran.exit_code != 0:
            raise UnreachableError(f"{self._address.name}: ssh can't forward a socket: {ran.errors.strip()}")

    def _there(self, process: SshProcess, command: Sequence[str]) -> list[str]:
        return [*self._through(process), "--", self.target.host, shlex.join(command)]

    def _through(self, process: SshProcess) -> list[str]:
        return [self._program, "-F", os.devnull, "-S", str(process.control)]

    def _failure(self, process: SshProcess) -> UptainerError:
        return failure(process.words(), self._address, self.target)

    def _silence(self, timeout: float) -> UnreachableError:
        return UnreachableError(
            f"{self._address.name}: {self.target.host} did not answer by SSH within {timeout:g} seconds"
        )


def _check(secret: SshSecret, name: str) -> None:
    try:
        check_secret(secret)
    except InvalidInputError as error:
        raise InvalidInputError(f"{name}: {error}") from error
