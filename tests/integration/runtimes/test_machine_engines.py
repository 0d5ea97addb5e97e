from pathlib import Path

from tests.lab.docker import DockerEngine
from uptainer.runtimes.machine import find_engines


def test_a_running_engine_is_found_once_by_whichever_way(docker_engine: DockerEngine, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/docker.sock").symlink_to(docker_engine.directory / "docker.sock")
    environment = {"DOCKER_HOST": docker_engine.url, "XDG_RUNTIME_DIR": str(tmp_path / "run")}
    (found,) = find_engines(environment, home=tmp_path, root=tmp_path)
    assert found.manageable
    assert found.facts
    assert found.address.url == docker_engine.url
    assert found.reason == f"Docker {found.facts.version} at DOCKER_HOST"
