"""Who has no cluster does not wait for the packages that only a cluster needs."""

import subprocess
import sys


def test_the_packages_of_a_cluster_are_imported_when_one_is_opened() -> None:
    program = (
        "import sys, uptainer.runtimes.connections; "
        "print([name for name in ('kubernetes', 'urllib3', 'websocket') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
