"""A Docker engine of the tests' own: its data, socket, bridge and addresses touch no other engine's."""

import json
import os
import re
import shutil
import subprocess
from contextlib import suppress
from ipaddress import IPv4Network
from pathlib import Path

import docker
import httpx
import psutil
from docker.errors import APIError, DockerException, NotFound

from tests.lab.room import LabUnavailableError, Room, start_process, stop_process, wait_until

NEEDED = {
    "dockerd": "docker.io",
    "containerd": "docker.io",
    "ip": "iproute2",
    "iptables": "iptables",
    "busybox": "busybox-static",
}

SEPARATE_IDENTITY_SINCE = 23


def require_programs(needed: dict[str, str]) -> None:
    """Raises: LabUnavailableError, naming the programs that are missing and the Debian packages that hold them."""
    missing = {program: package for program, package in needed.items() if not shutil.which(program)}
    if missing:
        packages = " ".join(sorted(set(missing.values())))
        raise LabUnavailableError(f"no {', '.join(missing)} on this machine (apt-get install {packages})")


class DockerEngine:
    """One private dockerd. It keeps its data over `stop`, `kill` and `start`, until `close`.

    Published ports are carried by docker-proxy, not by iptables: a second dockerd flushes the first one's rules
    when it starts, and the machine's own firewall is left alone. Containers reach each other and the machine's
    bridge address, and nothing beyond.
    """

    def __init__(self, room: Room, *, bridge: str | None = None, network: IPv4Network | None = None) -> None:
        """`bridge` and `network` are for a further engine in the same room: the first one has the room's own."""
        if os.geteuid() != 0:
            raise LabUnavailableError("a private Docker engine needs root")
        require_programs(NEEDED)
        self.room = room
        self._bridge = bridge or room.bridge
        self._network = network or room.network
        self.directory = room.directory("docker")
        self._socket = f"{self.directory}/docker.sock"
        self.url = f"unix://{self._socket}"
        self.log = self.directory / "dockerd.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._make_bridge()
        try:
            self.start()
        except TimeoutError as error:
            self.close()
            raise LabUnavailableError(f"{error}; its last words: {self._last_words()}") from error
        self.client = docker.DockerClient(base_url=self.url, timeout=60)

    @property
    def gateway(self) -> str:
        """The machine's address as its containers see it."""
        return str(self._network[1])

    def start(self) -> None:
        """Raises: TimeoutError, when it does not answer in time."""
        self._process = start_process(self._command(), log=self.log)
        process = self._process

        def answers() -> bool:
            if process.poll() is not None:
                raise TimeoutError(f"dockerd ended with status {process.returncode}, and did not answer")
            with (
                suppress(httpx.TransportError),
                httpx.Client(transport=httpx.HTTPTransport(uds=self._socket)) as probe,
            ):
                return probe.get("http://docker/_ping").is_success
            return False

        wait_until(answers, what="dockerd did not answer")

    def stop(self) -> None:
        """As `systemctl stop docker`: containers are stopped, and nothing answers on the socket."""
        if self._process is not None:
            stop_process(self._process, timeout=60)
            self._process = None

    def kill(self) -> None:
        """As a machine that loses its engine: no container is stopped by its own signal."""
        if self._process is not None:
            family = psutil.Process(self._process.pid).children(recursive=True)
            self._process.kill()
            self._process.wait(timeout=10)
            psutil.wait_procs(family, timeout=60)
            self._process = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def clear(self) -> None:
        """Remove every container, volume and network that tests made; images stay."""
        for container in self.client.containers.list(all=True, ignore_removed=True):
            with suppress(NotFound):
                container.remove(force=True, v=True)
        for network in self.client.networks.list():
            if network.name not in {"bridge", "host", "none"}:
                with suppress(NotFound):
                    network.remove()
        for volume in self.client.volumes.list():
            with suppress(NotFound, APIError):
                volume.remove(force=True)

    def close(self) -> None:
        """Leave no container, process, mount, bridge or file."""
        if self._process is not None and hasattr(self, "client"):
            with suppress(DockerException, OSError):
                self.clear()
        if hasattr(self, "client"):
            self.client.close()
        self.stop()
        _run("ip", "link", "delete", self._bridge, check=False)

    def _command(self) -> list[str]:
        lower, upper = self._network.subnets()
        return [
            "dockerd",
            *("--data-root", f"{self.directory}/data", "--exec-root", f"{self.directory}/exec"),
            *("--pidfile", f"{self.directory}/pid", "--host", self.url),
            *("--bridge", self._bridge, "--fixed-cidr", str(lower)),
            *("--default-address-pool", f"base={upper},size=26"),
            *("--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false"),
            *("--shutdown-timeout", "5", "--config-file", str(self._write_config())),
        ]

    def _write_config(self) -> Path:
        """Before version 23 an engine's id comes from a key that all engines of a machine share, unless told."""
        answer = _run("dockerd", "--version").stdout.decode()
        version = re.search(r"version (\d+)\.", answer)
        is_old = version is not None and int(version[1]) < SEPARATE_IDENTITY_SINCE
        path = self.directory / "daemon.json"
        path.write_text(json.dumps({"deprecated-key-path": f"{self.directory}/key.json"} if is_old else {}))
        return path

    def _make_bridge(self) -> None:
        bridge = self._bridge
        lower, _ = self._network.subnets()
        try:
            _run("ip", "link", "add", bridge, "type", "bridge")
            _run("ip", "address", "add", f"{self.gateway}/{lower.prefixlen}", "dev", bridge)
            _run("ip", "link", "set", bridge, "up")
        except subprocess.CalledProcessError as error:
            raise LabUnavailableError(f"no bridge for a private engine: {error.stderr.decode()}") from error

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return " | ".join(lines[-3:]) or "none"


def _run(program: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([program, *arguments], check=check, capture_output=True, timeout=60)
