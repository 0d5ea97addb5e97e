"""Every stand there is, by name. What it needs is asked for when its turn comes, so that one engine fails for itself."""

from collections.abc import Callable, Mapping

import pytest

from tests.lab.stands.docker import DockerStand
from tests.lab.stands.stand import Stand

Build = Callable[[pytest.FixtureRequest], Stand]


def _docker(request: pytest.FixtureRequest) -> Stand:
    return DockerStand(request.getfixturevalue("docker_engine"), request.getfixturevalue("registry"))


STANDS: Mapping[str, Build] = {"docker": _docker}
