"""Podman of the tests' own, as root or as a normal user: storage, socket, networks and locks touch no other Podman's.

Sources: containers.conf(5), storage.conf(5), containers-registries.conf(5), podman-system-service(1).
"""

import json
import os
import re
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import docker
import httpx
from docker.errors import DockerException

from tests.lab.docker import require_programs
from tests.lab.health_timers import API, HealthTimers
from tests.lab.room import LabUnavailableError, Room, start_process, stop_process, wait_until

NEEDED = {
    "podman": "podman",
    "conmon": "conmon",
    "runc": "runc",
    "aardvark-dns": "aardvark-dns",
    "netavark": "netavark",
    "unshare": "util-linux",
    "busybox": "busybox-static",
}
NEEDED_BY_USERS = {"newuidmap": "uidmap", "slirp4netns": "slirp4netns"}
_HELPERS = ("/usr/lib/podman", "/usr/libexec/podman")

_RAISES_LIMITS = 1 << 24
"""CAP_SYS_RESOURCE: without it no container may have more than this process has."""

FIRST_UID, FIRST_SUBORDINATE, SUBORDINATES = 20_000, 300_000_000, 65_536
_ENTER = """
set -e
mount --make-rshared /
mount --make-rslave /
for file in passwd group subuid subgid; do mount --bind "$1/$file" /etc/$file; done
for device in net/tun fuse; do mount --bind "$1/${device##*/}" /dev/$device; done
user=$2
shift 2
exec setpriv --reuid "$user" --regid "$user" --clear-groups --pdeathsig TERM "$@"
"""


class PodmanEngine:
    """One `podman system service` over a storage of its own. Containers outlive its `kill`, as Podman's do.

    With `rootless` it runs as a user that exists in its mount namespace only, with subordinate ids of its own.
    `enter` is what every command begins with, to run in other namespaces.
    `client` speaks the Docker-compatible API, for what tests do to any engine.
    """

    def __init__(self, room: Room, *, rootless: bool = False, enter: Sequence[str] = ()) -> None:
        if os.geteuid() != 0:
            raise LabUnavailableError("a private Podman needs root, to be started as root or as another user")
        self._require(NEEDED | (NEEDED_BY_USERS if rootless else {}))
        self.room, self.rootless, self._enter = room, rootless, list(enter)
        self.directory = room.directory("rootless" if rootless else "podman")
        self.uid = FIRST_UID + room.number if rootless else 0
        self.socket = f"{self.directory}/run/podman.sock"
        self.url = f"unix://{self.socket}"
        self.log = self.directory / "service.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._write_settings()
        try:
            self.start()
        except TimeoutError as error:
            self.close()
            raise LabUnavailableError(f"{error}; its last words: {self._last_words()}") from error
        self.client = docker.DockerClient(base_url=self.url, timeout=60)
        self._timers = HealthTimers(self.ask)

    @property
    def default_network(self) -> str:
        return "podman" if self.rootless else f"lab{self.room.number}"

    def start(self) -> None:
        """Raises: TimeoutError, when it does not answer in time."""
        command = self._command("system", "service", "--time", "0", self.url)
        self._process = start_process(command, log=self.log, env=self.environment())
        process = self._process

        def answers() -> bool:
            if process.poll() is not None:
                raise TimeoutError(f"podman ended with status {process.returncode}, and did not answer")
            with suppress(httpx.TransportError):
                return self.ask("GET", "/_ping").is_success
            return False

        wait_until(answers, what="podman did not answer")

    def stop(self) -> None:
        """As `systemctl stop podman.socket`: nothing answers on the socket, and the containers run on."""
        if self._process is not None:
            self._end(self._process, force=False)
            self._process = None

    def kill(self) -> None:
        if self._process is not None:
            self._end(self._process, force=True)
            self._process = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One request to the service; `path` as `/v4.0.0/libpod/...`."""
        with httpx.Client(transport=httpx.HTTPTransport(uds=self.socket), timeout=60) as client:
            return client.request(method, f"http://podman{path}", **options)

    def podman(self, *arguments: str) -> str:
        """Run the command line client on the same storage, as a person does; its output."""
        done = subprocess.run(
            self._command(*arguments),
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
            cwd="/",
        )
        assert done.returncode == 0, f"podman {' '.join(arguments)}: {done.stderr}"
        return done.stdout.strip()

    def clear(self) -> None:
        """Remove every pod, container, volume, secret and network that tests made; images stay."""
        for kind, options in (
            ("pods", {"force": "true", "timeout": "0"}),
            ("containers", {"force": "true", "depend": "true", "v": "true", "timeout": "0"}),
            ("volumes", {"force": "true"}),
            ("secrets", {}),
            ("networks", {"force": "true"}),
        ):
            listed = self.ask("GET", f"{API}/{kind}/json", params={"all": "true"}).json()
            for each in listed or ():
                name = each.get("Id") or each.get("id") or each.get("ID") or each["Name"]
                if each.get("name") not in ("podman", self.default_network):
                    self.ask("DELETE", f"{API}/{kind}/{name}", params=options)

    def close(self) -> None:
        """Leave no container, process, mount, bridge or file."""
        if hasattr(self, "client"):
            self._timers.stop()
            with suppress(DockerException, OSError):
                self.client.close()
            if self._process is not None:
                self.clear()
            if self.rootless:
                self._end_pause_process()
        self.stop()

    def _end(self, process: subprocess.Popen[bytes], *, force: bool) -> None:
        """Only the service itself: what it started (conmon, slirp4netns) belongs to containers that run on."""
        process.kill() if force else process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            stop_process(process, timeout=1)

    def _end_pause_process(self) -> None:
        """A process that holds the user's namespaces from one command of Podman to the next."""
        with suppress(OSError, ValueError, AssertionError):
            self.podman("system", "migrate")

    def as_its_user(self, *command: str) -> list[str]:
        """What to start so that a command is run by the user whose Podman it is, with the same settings."""
        settings = [f"{name}={value}" for name, value in self.environment().items()]
        return ["env", "--ignore-environment", "--chdir=/", *settings, *self._enter_user(), *command]

    def _command(self, *arguments: str) -> list[str]:
        if not self.rootless:
            return [*self._enter, "podman", *self.options(), *arguments]
        return [*self._enter_user(), "podman", *arguments]

    def _enter_user(self) -> list[str]:
        enter = ["sh", "-c", _ENTER, "enter", str(self.directory / "etc"), str(self.uid)]
        return ["unshare", "--mount", *enter]

    def options(self) -> list[str]:
        """What makes any command of root's Podman one of this engine's, with `environment`."""
        return [f"--{name}={self.directory}/{name}" for name in ("root", "runroot", "tmpdir")]

    def environment(self) -> dict[str, str]:
        folder = self.directory
        return {
            "PATH": os.environ["PATH"],
            "HOME": f"{folder}/home",
            "XDG_RUNTIME_DIR": f"{folder}/run",
            "CONTAINERS_CONF": f"{folder}/containers.conf",
            "CONTAINERS_REGISTRIES_CONF": f"{folder}/registries.conf",
        }

    def _write_settings(self) -> None:
        folder = self.directory
        for name in ("home", "run", "networks"):
            (folder / name).mkdir(mode=0o755)
            os.chown(folder / name, self.uid, self.uid)
        (folder / "containers.conf").write_text(self._containers_conf())
        insecure = (
            f'[[registry]]\nprefix="{host}"\nlocation="{host}"\ninsecure=true\n' for host in _LOOPBACK
        )
        (folder / "registries.conf").write_text("\n".join(insecure))
        if self.rootless:
            self._write_user()
        else:
            self._write_default_network()

    def _containers_conf(self) -> str:
        """Locks in files: those in shared memory are one set for all of a user's Podmans, and a new one clears them."""
        limits = '["nofile=4096:4096","nproc=8192:8192"]' if _is_limited() else "[]"
        pool = f'[{{"base"="{self._networks()[1]}","size"=26}}]'
        networks = (
            []
            if self.rootless
            else [f"default_subnet_pools={pool}", f'default_network="{self.default_network}"']
        )
        return "\n".join(
            (
                *("[containers]", f"default_ulimits={limits}"),
                *("[network]", 'network_backend="netavark"', *networks),
                f'network_config_dir="{self.directory}/networks"',
                *("[engine]", 'cgroup_manager="cgroupfs"', 'events_logger="file"', 'runtime="runc"'),
                *('lock_type="file"', "num_locks=512", ""),
            )
        )

    def _networks(self) -> tuple[IPv4Network, IPv4Network]:
        """The default network's, and where further ones come from: far behind Docker's, and before those of a swarm."""
        parts = list(self.room.network.subnets(new_prefix=21))
        default = next(parts[-6].subnets(new_prefix=24))
        return default, parts[-5]

    def _write_default_network(self) -> None:
        """Podman would call its bridge podman0 and take 10.88.0.0/16, whatever else is there.

        Its firewall rules are known by the network's name, and taken away with the last container of a network.
        """
        subnet = self._networks()[0]
        network = {
            "name": self.default_network,
            "id": f"{self.room.number:064x}",
            "driver": "bridge",
            "network_interface": f"{self.room.bridge}p",
            "created": "2026-01-01T00:00:00Z",
            "subnets": [{"subnet": str(subnet), "gateway": str(subnet[1])}],
            "ipv6_enabled": False,
            "internal": False,
            "dns_enabled": False,
            "ipam_options": {"driver": "host-local"},
        }
        (self.directory / "networks" / f"{self.default_network}.json").write_text(json.dumps(network))

    def _write_user(self) -> None:
        """A user that is seen in the engine's mount namespace only, and may open the devices that users open."""
        etc, name = self.directory / "etc", f"uplab{self.room.number}"
        etc.mkdir()
        first = FIRST_SUBORDINATE + self.room.number * SUBORDINATES
        lines = {
            "passwd": f"{name}:x:{self.uid}:{self.uid}::{self.directory}/home:/bin/sh",
            "group": f"{name}:x:{self.uid}:",
        }
        for file, line in lines.items():
            known = Path("/etc", file).read_text().rstrip("\n")
            (etc / file).write_text(f"{known}\n{line}\n")
        for file in ("subuid", "subgid"):
            (etc / file).write_text(f"{name}:{first}:{SUBORDINATES}\n")
            Path("/etc", file).touch()
        for device, minor in (("tun", 200), ("fuse", 229)):
            os.mknod(etc / device, 0o20666, os.makedev(10, minor))
            (etc / device).chmod(0o666)

    def _require(self, needed: dict[str, str]) -> None:
        found = {name for name in needed if any(Path(folder, name).exists() for folder in _HELPERS)}
        require_programs({name: package for name, package in needed.items() if name not in found})

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return " | ".join(lines[-3:]) or "none"


_LOOPBACK = ("localhost", "127.0.0.1")


def _is_limited() -> bool:
    status = Path("/proc/self/status").read_text()
    found = re.search(r"^CapEff:\s+([0-9a-f]+)$", status, re.MULTILINE)
    return found is None or not int(found[1], 16) & _RAISES_LIMITS
