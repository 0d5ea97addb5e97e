import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from uptainer.console import lock
from uptainer.core.errors import AccessDeniedError, RefusedError

HOLDS = """
import sys
from pathlib import Path
from uptainer.console.lock import hold
with hold(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_directory_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    with lock.hold(tmp_path / "deep" / "data"):
        assert (tmp_path / "deep" / "data").stat().st_mode & 0o077 == 0


def test_the_holder_is_known_while_it_holds_and_no_longer(tmp_path: Path) -> None:
    assert lock.holder(tmp_path) is None
    with lock.hold(tmp_path):
        assert lock.holder(tmp_path) == os.getpid()
    assert lock.holder(tmp_path) is None


def test_a_second_one_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    said = rf"process {os.getpid()}.*uptainer down"
    with lock.hold(tmp_path), pytest.raises(RefusedError, match=said), lock.hold(tmp_path):
        pass


def test_a_killed_holder_leaves_the_directory_free(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDS, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"held\n"
        assert lock.holder(tmp_path) == process.pid
        process.kill()
        process.wait(10)
    assert lock.holder(tmp_path) is None
    with lock.hold(tmp_path):
        pass


def test_a_directory_of_another_layout_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "layout").write_text("7")
    with pytest.raises(RefusedError, match="layout 7"), lock.hold(tmp_path):
        pass
    assert (tmp_path / "layout").read_text() == "7"


def test_a_place_that_cannot_be_written_is_said_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(AccessDeniedError, match=re.escape("UPTAINER_DATA_DIR")),
        lock.hold(tmp_path / "file" / "data"),
    ):
        pass
