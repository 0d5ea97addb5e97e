"""Keeps a developer's own engines, settings and data out of the tests' sight."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.lab.prefect import QUIET
from tests.lab.room import LabUnavailableError

LEFT_OUT = "left out: "
"""What a skip begins with, so that the end of the run can gather them."""

REQUIRE = "LAB_IS_REQUIRED"
_OTHERS = ("PREFECT_", "DOCKER_", "CONTAINER_HOST", "COMPOSE_", "KUBECONFIG", "UPTAINER_", "PG", "TRIVY_")
_TRUE = {"1", "true", "yes"}


def isolate(home: Path) -> None:
    """Forget what the environment says of engines and servers; the homes of programs are made in `home`."""
    for name in [name for name in os.environ if name.startswith(_OTHERS) and name != REQUIRE]:
        del os.environ[name]
    folders = {
        "PREFECT_HOME": home / "prefect",
        "DOCKER_CONFIG": home / "docker",
        "XDG_DATA_HOME": home / "data",
        "XDG_CONFIG_HOME": home / "config",
        "XDG_STATE_HOME": home / "state",
        "XDG_RUNTIME_DIR": home / "run",
    }
    for folder in folders.values():
        folder.mkdir(mode=0o700)
    # Without this folder the embedded PostgreSQL's wheel shares one lock file in /tmp with every user of the machine.
    (folders["XDG_RUNTIME_DIR"] / "python_PostgresServer").mkdir()
    os.environ.update({name: str(folder) for name, folder in folders.items()} | dict(QUIET))


@contextmanager
def lab_part() -> Iterator[None]:
    """Around the start of an engine: without it the test is skipped, or fails where the lab is required."""
    try:
        yield
    except LabUnavailableError as error:
        if lab_is_required():
            pytest.fail(f"the lab is required here: {error}", pytrace=False)
        pytest.skip(f"{LEFT_OUT}{error}")


def lab_is_required() -> bool:
    """Whether a missing engine is a failure: in CI, and where somebody says so."""
    return any(os.environ.get(name, "").lower() in _TRUE for name in ("CI", REQUIRE))
