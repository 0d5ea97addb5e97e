"""etcd, the API server, the controllers and the scheduler, on loopback."""

import os
import ssl
import subprocess
from pathlib import Path

import httpx

from tests.lab.docker import require_programs
from tests.lab.kubernetes.credentials import Credentials
from tests.lab.room import LabUnavailableError, Room, free_port, start_process

BINARIES = Path.home() / ".cache" / "uptainer-lab" / "kubernetes-1.20.2-2"
"""Where `scripts/build_kubernetes.py` puts them."""

NEEDED = {"etcd": "etcd-server"}
_LEFT_OUT = {"nodeipam", "route", "service", "cloud-node-lifecycle", "ttl", "bootstrapsigner", "tokencleaner"}
"""Controllers of what one node on loopback does not have."""


class ControlPlane:
    """Answers at `url` once `is_ready`, and does what it is asked once its controllers are started; `credentials` has what
    is needed to ask.
    """

    def __init__(self, room: Room) -> None:
        require_programs(NEEDED)
        require_binaries()
        self.directory = room.directory("control-plane")
        self.url = f"https://127.0.0.1:{free_port()}"
        self.credentials = Credentials.write(room.directory("credentials"), self.url)
        etcd = f"http://127.0.0.1:{free_port()}"
        self.processes = {
            "etcd": self._start(_etcd(self.directory / "etcd", etcd)),
            "kube-apiserver": self._start(_api_server(self.credentials, self.url, etcd)),
        }

    def runs(self) -> bool:
        return all(process.poll() is None for process in self.processes.values())

    def check(self) -> None:
        """Raises: LabUnavailableError, when one of the processes has ended."""
        for name, process in self.processes.items():
            if process.poll() is not None:
                raise LabUnavailableError(
                    f"{name} ended with status {process.returncode}: {self._words(name)}"
                )

    def start_controllers(self) -> None:
        """Once the API server is ready: they wait ten seconds for it, and on a busy machine it takes longer."""
        self.processes["kube-controller-manager"] = self._start(_controller_manager(self.credentials))
        self.processes["kube-scheduler"] = self._start(_scheduler(self.credentials))

    def is_ready(self) -> bool:
        """Raises: LabUnavailableError, when one of the processes has ended."""
        self.check()
        trusted = ssl.create_default_context(cafile=self.credentials.authority)
        headers = {"Authorization": f"Bearer {self.credentials.token}"}
        try:
            return httpx.get(f"{self.url}/readyz", headers=headers, verify=trusted, timeout=5).is_success
        except httpx.TransportError:
            return False

    def close(self) -> None:
        """Nothing is worth a goodbye: what they know goes with them."""
        for process in reversed(self.processes.values()):
            process.kill()
            process.wait(timeout=10)

    def _start(self, command: list[str]) -> subprocess.Popen[bytes]:
        name = Path(command[0]).name
        env = {"PATH": os.environ["PATH"], "HOME": str(self.directory), "GOMAXPROCS": "2"}
        return start_process(command, log=self.directory / f"{name}.log", env=env)

    def _words(self, name: str) -> str:
        lines = (self.directory / f"{name}.log").read_text(errors="replace").splitlines()
        return " | ".join(lines[-3:]) or "it said nothing"


def require_binaries() -> None:
    """Raises: LabUnavailableError."""
    if not BINARIES.is_dir():
        raise LabUnavailableError(
            "no Kubernetes on this machine (scripts/install_lab.py, as root on a Debian, builds it in some minutes)"
        )


def _etcd(directory: Path, url: str) -> list[str]:
    peer = f"http://127.0.0.1:{free_port()}"
    return [
        "etcd",
        *("--data-dir", str(directory)),
        *("--listen-client-urls", url, "--advertise-client-urls", url),
        *(
            "--listen-peer-urls",
            peer,
            "--initial-advertise-peer-urls",
            peer,
            "--initial-cluster",
            f"default={peer}",
        ),
        *("--log-level", "warn"),
    ]


def _api_server(credentials: Credentials, url: str, etcd: str) -> list[str]:
    key = str(credentials.service_account_key)
    return [
        str(BINARIES / "kube-apiserver"),
        *("--etcd-servers", etcd, "--bind-address", "127.0.0.1", "--secure-port", url.rpartition(":")[2]),
        *("--insecure-port", "0", "--cert-dir", str(credentials.folder)),
        *("--tls-cert-file", str(credentials.folder / "server.crt")),
        *("--tls-private-key-file", str(credentials.folder / "server.key")),
        *("--client-ca-file", str(credentials.authority), "--token-auth-file", str(credentials.tokens)),
        *("--authorization-mode", "RBAC", "--allow-privileged=true"),
        *("--service-account-key-file", key, "--service-account-signing-key-file", key),
        *("--service-account-issuer", url, "--service-cluster-ip-range", "10.96.0.0/16"),
        *("--kubelet-preferred-address-types", "InternalIP"),
    ]


def _controller_manager(credentials: Credentials) -> list[str]:
    """Without leases: there is nobody to share the work with, and waiting for one costs seconds."""
    return [
        str(BINARIES / "kube-controller-manager"),
        *("--kubeconfig", str(credentials.kubeconfig), "--port", "0", "--secure-port", "0"),
        *("--leader-elect=false", "--use-service-account-credentials"),
        *("--service-account-private-key-file", str(credentials.service_account_key)),
        *("--root-ca-file", str(credentials.authority)),
        *("--controllers", ",".join(["*", *(f"-{name}" for name in sorted(_LEFT_OUT))])),
    ]


def _scheduler(credentials: Credentials) -> list[str]:
    return [
        str(BINARIES / "kube-scheduler"),
        *("--kubeconfig", str(credentials.kubeconfig), "--port", "0", "--secure-port", "0"),
        "--leader-elect=false",
    ]
