import socket
from pathlib import Path
from typing import Any

import pytest

from tests.lab.docker import DockerEngine
from tests.lab.podman import PodmanEngine
from uptainer.core.enums import RuntimeType
from uptainer.core.workloads import HostAddress
from uptainer.runtimes.addresses import parse_address
from uptainer.runtimes.machine import find_engines


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("uptainer.runtimes.machine.PROBE_TIMEOUT", 60.0)


def test_a_running_engine_is_found_once_by_whichever_way(docker_engine: DockerEngine, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/docker.sock").symlink_to(docker_engine.directory / "docker.sock")
    environment = {"DOCKER_HOST": docker_engine.url, "XDG_RUNTIME_DIR": str(tmp_path / "run")}
    (found,) = find_engines(environment, home=tmp_path, root=tmp_path)
    assert found.manageable
    assert found.facts
    assert found.address.url == docker_engine.url
    assert found.reason == f"Docker {found.facts.version} at DOCKER_HOST"


def test_a_podman_behind_dockers_variable_is_a_podman(podman_engine: PodmanEngine, tmp_path: Path) -> None:
    environment = {"DOCKER_HOST": podman_engine.url, "CONTAINER_HOST": podman_engine.url}
    (found,) = find_engines({**environment, "XDG_RUNTIME_DIR": str(tmp_path)}, home=tmp_path, root=tmp_path)
    assert (found.manageable, found.address.runtime) == (True, RuntimeType.PODMAN)
    assert found.reason.startswith("Podman ")


def test_podmans_sockets_are_found_where_it_puts_them(podman_engine: PodmanEngine, tmp_path: Path) -> None:
    for folder in ("run/podman", "user/podman"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "podman.sock").symlink_to(podman_engine.url.removeprefix("unix://"))
    environment = {"XDG_RUNTIME_DIR": str(tmp_path / "user")}
    (found,) = find_engines(environment, home=tmp_path, root=tmp_path)
    assert (found.address.name, found.address.runtime) == ("podman", RuntimeType.PODMAN)


def test_an_engine_that_hangs_keeps_no_other_from_being_found(
    docker_engine: DockerEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hurried(name: str, url: str, **given: Any) -> HostAddress:
        return parse_address(name, url, **{**given, "timeout": 1.0 if name == "podman" else 60.0})

    monkeypatch.setattr("uptainer.runtimes.machine.parse_address", hurried)
    (tmp_path / "run/podman").mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as hangs:
        hangs.bind(str(tmp_path / "run/podman/podman.sock"))
        hangs.listen()
        environment = {"DOCKER_HOST": docker_engine.url, "XDG_RUNTIME_DIR": str(tmp_path)}
        found = find_engines(environment, home=tmp_path, root=tmp_path)
    assert [(each.address.url == docker_engine.url, each.manageable) for each in found] == [
        (True, True),
        (False, False),
    ]
