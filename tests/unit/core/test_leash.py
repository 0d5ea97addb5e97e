import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from uptainer.console.children import Child
from uptainer.core import leash
from uptainer.core.errors import TemporaryError

PARENT = """
import sys
from pathlib import Path
from uptainer.console.children import Child
child = Child.start("sleeper", ["sleep", "60"], environment={"PATH": "/usr/bin:/bin"}, log=Path(sys.argv[1]))
print(child.process.pid, flush=True)
sys.stdin.read()
"""


def is_gone(pid: int, within: float = 60.0) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        state = ""
        with suppress(FileNotFoundError, ProcessLookupError):
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        if state in {"", "Z"}:
            return True
        time.sleep(0.02)
    return False


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux ends a child with its parent")
def test_a_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path / "log")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        assert Path(f"/proc/{child}").exists()
        parent.kill()
        parent.wait(60)
    assert is_gone(child)


def test_a_child_whose_parent_is_gone_already_does_not_start() -> None:
    command = [sys.executable, leash.__file__, "1", "sleep", "60"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode != 0
    assert "is gone" in done.stderr


def test_a_child_that_ends_by_itself_is_told_with_its_last_words(tmp_path: Path) -> None:
    command = ["sh", "-c", "echo the port is taken; exit 3"]
    child = Child.start("server", command, environment=os.environ, log=tmp_path / "log")
    child.process.wait(20)
    with pytest.raises(TemporaryError, match=r"exit code 3.*the port is taken"):
        child.check()


def test_stopping_ends_a_child_that_does_not_listen_and_what_it_started(tmp_path: Path) -> None:
    script = "trap '' TERM; sleep 61 & echo $!; wait; sleep 61"
    child = Child.start("stubborn", ["sh", "-c", script], environment=os.environ, log=tmp_path / "log")
    deadline = time.monotonic() + 60
    while not (tmp_path / "log").read_text().strip() and time.monotonic() < deadline:
        time.sleep(0.02)
    grandchild = int((tmp_path / "log").read_text())
    child.stop(seconds=0.2)
    assert not child.is_running
    assert is_gone(grandchild)
