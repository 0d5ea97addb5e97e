"""A room: one numbered place on this machine that a test process has for itself while it runs.

Its number gives a directory, a bridge and a range of addresses that nobody else uses, also when several pytest
runs and several workers share the machine. A lock that the kernel drops with the process holds it, and whoever takes
the same number next first clears away what a killed predecessor could not.
"""

import ipaddress
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

BASE = Path("/tmp")
ROOMS = 100
FIRST_SECOND_OCTET = 140
"""Room N has 10.(140+N).0.0/16: the upper half of the private range that engines and home routers use least."""

_FIRST_PART = 192

_PORTS = range(20_000, 30_000)
"""Below those that the kernel gives to whoever asks for any, so that nobody gets one by chance."""

_AT_ONCE = 20


class LabUnavailableError(Exception):
    """This machine lacks something that a part of the lab needs; the message says what, and what would give it."""


@dataclass(frozen=True, slots=True)
class Room:
    number: int
    path: Path

    @property
    def bridge(self) -> str:
        return f"uplab{self.number}"

    @property
    def network(self) -> ipaddress.IPv4Network:
        return ipaddress.IPv4Network(f"10.{FIRST_SECOND_OCTET + self.number}.0.0/16")

    def part(self, number: int) -> str:
        """The first three numbers of a /24 of the room's (0 to 15) that no engine of it gives to a network by itself."""
        octets = str(self.network.network_address).split(".")
        return f"{octets[0]}.{octets[1]}.{_FIRST_PART + number}"

    def directory(self, name: str) -> Path:
        """A new directory in this room; parts that run as another user can get to it."""
        made = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.path))
        made.chmod(0o755)
        return made


@contextmanager
def take_room(numbers: Iterable[int] = range(ROOMS)) -> Iterator[Room]:
    """Hold the first free room of these; on leaving, everything in it is gone.

    From then on this process's PATH has the system's folders in it.

    Raises:
        LabUnavailableError: all rooms are taken.
    """
    _complete_path()
    base = BASE / f"uptainer-lab-{os.getuid()}"
    base.mkdir(mode=0o755, exist_ok=True)
    for number in numbers:
        room = Room(number, base / str(number))
        with socket.socket(socket.AF_UNIX) as lock:
            if not _bound(lock, f"\0uptainer-lab-{number}") or _addresses_in_use(room):
                continue
            clear(room)
            room.path.mkdir(mode=0o755)
            try:
                yield room
            finally:
                clear(room)
            return
    raise LabUnavailableError(f"all rooms of the lab are taken: see {base}")


def _bound(lock: socket.socket, name: str) -> bool:
    """An abstract name is free again when its process dies, and is seen as far as a bridge is: by the whole network namespace."""
    try:
        lock.bind(name)
    except OSError:
        return False
    return True


def clear(room: Room) -> None:
    """End the room's processes, take down its bridges and mounts, delete its files."""
    _end(_processes_of(room))
    for bridge in _bridges_of(room):
        subprocess.run(["ip", "link", "delete", bridge], check=False, capture_output=True, timeout=10)
    for mount in reversed(_mounts_under(room.path)):
        subprocess.run(["umount", "--lazy", mount], check=False, capture_output=True, timeout=10)
    if room.path.exists():
        shutil.rmtree(room.path)


def wait_until(
    is_ready: Callable[[], bool], *, what: str, timeout: float = 120.0, pause: float = 0.02
) -> None:
    """Poll until it is so; `what` completes the sentence "... did not happen within N seconds".

    Raises:
        TimeoutError: it was not so in time (seconds).
    """
    deadline = time.monotonic() + timeout
    while not is_ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} within {timeout:.0f} seconds")
        time.sleep(pause)


def free_port() -> int:
    """One that nobody else is given as long as this process lives: a server may take it many seconds later.

    Raises:
        LabUnavailableError: none is left.
    """
    for port in _ports:
        if _is_free(port):
            return port
    raise LabUnavailableError(f"all ports of the lab are taken: {_PORTS.start} to {_PORTS.stop}")


def _own_ports() -> Iterator[int]:
    """Some at a time are locked for this process, in a room or not, and none is given out twice."""
    for first in _PORTS[::_AT_ONCE]:
        with socket.socket(socket.AF_UNIX) as lock:
            is_ours = _bound(lock, f"\0uptainer-lab-ports-{first}")
            if is_ours:
                lock.detach()
        if is_ours:
            yield from range(first, first + _AT_ONCE)


_ports = _own_ports()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def accepts_connections(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def start_process(
    command: list[str], *, log: Path, env: dict[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a process that ends with this one, even when this one is killed; output goes to the log."""
    tied = ["setpriv", "--pdeathsig", "TERM", *command] if shutil.which("setpriv") else command
    with log.open("ab") as output:
        return subprocess.Popen(
            tied, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )


def stop_process(process: subprocess.Popen[bytes], *, timeout: float = 20.0) -> None:
    """SIGTERM, then SIGKILL after `timeout` seconds, for the process and what is left of its children."""
    with suppress(psutil.NoSuchProcess):
        family = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout)
        _end([child for child in family if child.is_running()], timeout=5)
    if process.poll() is None:
        process.kill()
    process.wait(timeout=10)


def _complete_path() -> None:
    """Engines and their helpers lie where a normal user's PATH, or a bare one, does not look."""
    known = os.environ.get("PATH", "").split(os.pathsep)
    system = ("/usr/local/sbin", "/usr/sbin", "/sbin")
    os.environ["PATH"] = os.pathsep.join([*known, *(path for path in system if path not in known)])


def _processes_of(room: Room) -> list[psutil.Process]:
    """Those whose command line names a path in the room: every engine of the lab is given one."""
    inside = f"{room.path}{os.sep}"
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if process.pid != os.getpid() and any(inside in part for part in process.info["cmdline"] or ())
    ]


def _end(processes: list[psutil.Process], *, timeout: float = 10.0) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        _, processes = psutil.wait_procs(processes, timeout=timeout)
        if not processes:
            return


def _bridges_of(room: Room) -> list[str]:
    """The bridges whose address is in the room's range: its own, and those of networks that an engine made."""
    return [name for name, address in _addresses() if address in room.network]


def _addresses_in_use(room: Room) -> bool:
    """Whether something that is not the lab's holds an address in the room's range."""
    ours = (room.bridge, "br-", "podman")
    return any(address in room.network and not name.startswith(ours) for name, address in _addresses())


def _addresses() -> list[tuple[str, ipaddress.IPv4Address]]:
    return [
        (name, ipaddress.IPv4Address(address.address))
        for name, addresses in psutil.net_if_addrs().items()
        for address in addresses
        if address.family == socket.AF_INET
    ]


def _mounts_under(path: Path) -> list[str]:
    inside = f"{path}{os.sep}"
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [mount for mount in (line.split()[4] for line in lines) if mount.startswith(inside)]
