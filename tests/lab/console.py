"""A whole `uptainer up` as a process of its own, as a terminal would have it."""

import os
import signal
import subprocess
import sysconfig
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import psutil

from tests.lab.prefect import QUIET, put_tables
from tests.lab.room import Room, free_port, wait_until

UPTAINER = Path(sysconfig.get_path("scripts")) / "uptainer"
READY = "Uptainer is up"
PATIENCE = 180.0
NO_ENGINE = {"DOCKER_HOST": "unix:///nowhere/docker.sock"}


@dataclass
class Console:
    """`start` begins one; what it prints is in `output`. One data directory and port for the length of a test."""

    data_dir: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @classmethod
    def prepared(cls, room: Room) -> Self:
        """With the tables that Prefect's server would make at its first start."""
        console = cls(room.directory("up") / "data")
        put_tables(room, console.data_dir / "prefect")
        return console

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def output(self) -> str:
        return self._log.read_text() if self._log.exists() else ""

    @property
    def _log(self) -> Path:
        return self.data_dir.with_name(f"{self.data_dir.name}.out")

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PREFECT_", "UPTAINER_"))
        }
        ours = {"UPTAINER_DATA_DIR": str(self.data_dir), "UPTAINER_PORT": str(self.port), "COLUMNS": "200"}
        return {**kept, **QUIET, **NO_ENGINE, **ours, **(more or {})}

    def start(self, more: Mapping[str, str] | None = None) -> None:
        with self._log.open("wb") as output:
            self.process = subprocess.Popen(
                [UPTAINER, "up"],
                env=self.environment(more),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_for(self, text: str) -> None:
        """Until it has printed this, or has ended without."""
        process = self._running()
        wait_until(
            lambda: text in self.output or process.poll() is not None,
            what=f"{text!r} was not printed; it printed: {self.output}",
            timeout=PATIENCE,
        )
        assert text in self.output, self.output

    def press_ctrl_c(self) -> int:
        """As a terminal does: the whole process group is sent SIGINT. The exit code."""
        process = self._running()
        os.killpg(process.pid, signal.SIGINT)
        return process.wait(PATIENCE)

    def send(self, number: signal.Signals) -> int:
        process = self._running()
        process.send_signal(number)
        return process.wait(PATIENCE)

    def run(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Another command on the same data directory."""
        environment = self.environment(more)
        return subprocess.run(
            [UPTAINER, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def processes(self) -> list[psutil.Process]:
        """Every process that belongs to the data directory: by its command line, or by its environment."""
        return [each for each in psutil.process_iter() if self._is_ours(each)]

    def processes_of(self, run: str) -> list[psutil.Process]:
        """Those that carry this flow run out, the first one first."""
        found = [each for each in self.processes() if _environment(each).get("PREFECT__FLOW_RUN_ID") == run]
        return sorted(found, key=_begun)

    def close(self) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            for each in self.processes():
                with suppress(psutil.NoSuchProcess):
                    each.send_signal(number)
            deadline = time.monotonic() + PATIENCE
            while self.processes() and time.monotonic() < deadline:
                time.sleep(0.1)
        if self.process:
            self.process.wait(PATIENCE)

    def _running(self) -> subprocess.Popen[bytes]:
        assert self.process, "it was not started"
        return self.process

    def _is_ours(self, process: psutil.Process) -> bool:
        if process.pid == os.getpid():
            return False
        place = str(self.data_dir)
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            named = any(place in part for part in process.cmdline())
            return named or process.environ().get("UPTAINER_DATA_DIR") == place
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return False


def _begun(process: psutil.Process) -> float:
    """One that has just ended comes last."""
    with suppress(psutil.NoSuchProcess):
        return process.create_time()
    return float("inf")


def _environment(process: psutil.Process) -> dict[str, str]:
    """One that has just ended has none."""
    with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        return process.environ()
    return {}
