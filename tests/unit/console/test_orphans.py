import subprocess
import sys
from pathlib import Path

import pytest

from uptainer.console import orphans

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="orphans are found by /proc")


def flow_run(data_dir: Path, *command: str, run: str = "1") -> subprocess.Popen[bytes]:
    environment = {"UPTAINER_DATA_DIR": str(data_dir), "PREFECT__FLOW_RUN_ID": run, "PATH": "/usr/bin:/bin"}
    return subprocess.Popen(command or ("sleep", "60"), env=environment, stdout=subprocess.PIPE)


def test_a_flow_run_of_this_directory_is_ended_and_others_are_left(tmp_path: Path) -> None:
    ours, other = flow_run(tmp_path / "a"), flow_run(tmp_path / "b")
    child = subprocess.Popen(
        ["sleep", "60"], env={"UPTAINER_DATA_DIR": str(tmp_path / "a"), "PATH": "/usr/bin:/bin"}
    )
    try:
        assert orphans.end(tmp_path / "a") == 1
        assert ours.wait(10) != 0
        assert other.poll() is None
        assert child.poll() is None
    finally:
        for each in (ours, other, child):
            each.kill()
            each.communicate()


def test_one_that_does_not_listen_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orphans, "PATIENCE_SECONDS", 0.3)
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    with flow_run(tmp_path, sys.executable, "-c", code) as deaf:
        assert deaf.stdout
        assert deaf.stdout.readline() == b"deaf\n"
        assert orphans.end(tmp_path) == 1
        assert deaf.wait(10) == -9


def test_nothing_to_end_is_no_fault(tmp_path: Path) -> None:
    assert orphans.end(tmp_path) == 0
