"""Asking a workload whether it works: over HTTP, over TCP, or by a command inside it."""

import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from uptainer.core.errors import NotFoundError, PermanentError
from uptainer.core.workloads import HostAddress, Port
from uptainer.policy.probes import ExecProbe, HttpProbe, Probe, TcpProbe
from uptainer.runtimes.port import Runtime, WorkloadState

MAX_BODY = 1 << 20


@dataclass(frozen=True, slots=True)
class ProbeResult:
    passed: bool
    text: str


@dataclass(frozen=True, slots=True)
class Target:
    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def run_probe(
    probe: Probe,
    runtime: Runtime,
    key: str,
    *,
    state: WorkloadState,
    ports: Sequence[Port],
) -> ProbeResult:
    """Ask once. A published port is tried first, then the container's own addresses; one good answer is enough.

    Raises:
        UnreachableError: the engine did not answer (an `exec` only).
    """
    if isinstance(probe, ExecProbe):
        return _execute(probe, runtime, key)
    where = tuple(targets(probe.port, runtime.address, state, ports))
    if not where:
        return ProbeResult(
            False, f"port {probe.port} is neither published nor on a network that can be reached"
        )
    results = []
    for target in where:
        results.append(_ask(probe, target))
        if results[-1].passed:
            return results[-1]
    return ProbeResult(False, "; ".join(result.text for result in results))


def targets(port: int, address: HostAddress, state: WorkloadState, ports: Sequence[Port]) -> Iterator[Target]:
    """Where a container's TCP port may be reached from here."""
    host = urlsplit(address.url).hostname if address.url.startswith(("tcp://", "ssh://")) else "127.0.0.1"
    for published in ports:
        if published.container_port == port and published.protocol == "tcp" and published.host_port:
            everywhere = published.host_ip in {"", "0.0.0.0", "::"}  # noqa: S104 -- compared, not listened on
            yield Target((host or "127.0.0.1") if everywhere else published.host_ip, published.host_port)
    for ip in dict.fromkeys(state.addresses.values()):
        if ip:
            yield Target(ip, port)


def _ask(probe: HttpProbe | TcpProbe, target: Target) -> ProbeResult:
    timeout = probe.timeout.total_seconds()
    if isinstance(probe, TcpProbe):
        return _connect(target, timeout)
    url = f"{probe.scheme}://{target}/{probe.path.lstrip('/')}"
    try:
        return _get(probe, url, timeout)
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
        return ProbeResult(False, f"GET {url}: {str(error) or type(error).__name__}")


def _get(probe: HttpProbe, url: str, timeout: float) -> ProbeResult:
    """The certificate is for the workload's public name, not for the address that is asked: it is not checked."""
    with (
        httpx.Client(timeout=timeout, verify=False, trust_env=False) as client,  # noqa: S501 -- see the docstring
        client.stream("GET", url) as answer,
    ):
        if answer.status_code not in _right(probe):
            return ProbeResult(False, f"GET {url} answered {answer.status_code}")
        if probe.contains and probe.contains not in _beginning(answer):
            return ProbeResult(
                False, f"GET {url} answered {answer.status_code}, without {probe.contains!r} in it"
            )
        return ProbeResult(True, f"GET {url} answered {answer.status_code}")


def _right(probe: HttpProbe) -> range:
    return range(200, 400) if probe.status is None else range(probe.status, probe.status + 1)


def _beginning(answer: httpx.Response) -> str:
    body = bytearray()
    for chunk in answer.iter_bytes():
        body += chunk
        if len(body) >= MAX_BODY:
            break
    return bytes(body[:MAX_BODY]).decode(errors="replace")


def _connect(target: Target, timeout: float) -> ProbeResult:
    try:
        with socket.create_connection((target.host, target.port), timeout):
            return ProbeResult(True, f"{target} accepts connections")
    except OSError as error:
        return ProbeResult(False, f"{target}: {error.strerror or error}")


def _execute(probe: ExecProbe, runtime: Runtime, key: str) -> ProbeResult:
    command = " ".join(probe.command)
    try:
        result = runtime.execute(key, probe.command, probe.timeout)
    except NotFoundError:
        raise
    except PermanentError as error:
        return ProbeResult(False, f"{command!r}: {error}")
    words = f": {result.output.strip()[-300:]}" if result.output.strip() else ""
    return ProbeResult(result.exit_code == 0, f"{command!r} ended with status {result.exit_code}{words}")
