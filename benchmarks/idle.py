"""Memory and CPU of an idle `uptainer up`, against its floor: a bare Prefect server that serves one empty flow.

`python -m benchmarks.idle` starts one after the other, each in a fresh directory, lets it settle, and sums over all of
its processes for a minute. PSS counts a page that several processes share once, by parts; RSS counts it in each.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx
import psutil

from tests.lab.prefect import QUIET
from tests.lab.room import free_port, wait_until

SETTLE_SECONDS = 60.0
MEASURED_SECONDS = 60.0
MEGABYTE = 1_000_000
FLOOR = """
from prefect import flow, serve

@flow
def empty() -> None: ...

if __name__ == "__main__":
    serve(empty.to_deployment("empty"), pause_on_shutdown=False)
"""


@dataclass(frozen=True, slots=True)
class Idle:
    """`rss` and `pss` in MB at the end; `cpu` in seconds of processor time over the minute."""

    processes: int
    rss: float
    pss: float
    cpu: float


def measure(mark: str) -> Idle:
    """Sum over every process whose environment or command line holds `mark`, a directory of its own."""
    time.sleep(SETTLE_SECONDS)
    before = sum(_cpu(each) for each in _family(mark))
    time.sleep(MEASURED_SECONDS)
    family = _family(mark)
    memory = [each.memory_full_info() for each in family]
    return Idle(
        processes=len(family),
        rss=round(sum(each.rss for each in memory) / MEGABYTE, 1),
        pss=round(sum(each.pss for each in memory) / MEGABYTE, 1),
        cpu=round(sum(_cpu(each) for each in family) - before, 2),
    )


def _cpu(process: psutil.Process) -> float:
    """Its own and that of the children that it has outlived, so that a flow run in between is counted."""
    times = process.cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)


def _family(mark: str) -> list[psutil.Process]:
    """Those that name the directory, and their children, for a PostgreSQL's say nothing of it."""
    found: set[psutil.Process] = set()
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            said = [*process.cmdline(), *process.environ().values()]
            if any(mark in part for part in said) and process.pid != os.getpid():
                found |= {process, *process.children(recursive=True)}
    return list(found)


@contextmanager
def running(command: list[str], environment: dict[str, str], is_ready: Callable[[], bool]) -> Iterator[None]:
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            wait_until(is_ready, what="it was not ready", timeout=180)
            yield
        finally:
            process.terminate()
            process.wait(90)


def of_uptainer(directory: Path) -> Idle:
    port = free_port()
    environment = {
        **_clean(),
        "UPTAINER_DATA_DIR": str(directory / "data"),
        "UPTAINER_PORT": str(port),
        "DOCKER_HOST": "unix:///nowhere/docker.sock",
    }
    up = [sys.executable, "-c", "from uptainer.cli.main import main; main()", "up"]
    with running(up, environment, (directory / "data" / "running.json").exists):
        return measure(str(directory))


def of_floor(directory: Path) -> Idle:
    port = free_port()
    script = directory / "floor.py"
    script.write_text(FLOOR)
    environment = {**_clean(), "PREFECT_HOME": str(directory / "prefect")}
    environment["PREFECT_API_URL"] = f"http://127.0.0.1:{port}/api"
    server = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with (
        running(server, environment, lambda: _answers(port, "/api/health")),
        running(
            [sys.executable, str(script)],
            environment,
            lambda: _answers(port, "/api/deployments/name/empty/empty"),
        ),
    ):
        return measure(str(directory))


def _answers(port: int, path: str) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}{path}", timeout=2).is_success
    except httpx.TransportError:
        return False


def _clean() -> dict[str, str]:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "UPTAINER_"))
    }
    return {**kept, **QUIET}


def main() -> None:
    with (
        tempfile.TemporaryDirectory(prefix="idle-") as floor,
        tempfile.TemporaryDirectory(prefix="idle-") as ours,
    ):
        Path(ours).chmod(0o755)
        results = {"floor": asdict(of_floor(Path(floor))), "uptainer": asdict(of_uptainer(Path(ours)))}
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
