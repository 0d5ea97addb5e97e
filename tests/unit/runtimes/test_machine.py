import hashlib
import json
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from uptainer.core.enums import ConnectionType, RuntimeType
from uptainer.runtimes.machine import find_engines


@pytest.fixture
def root() -> Iterator[Path]:
    """Short, for a socket's path has little room."""
    with tempfile.TemporaryDirectory(prefix="m-") as folder:
        yield Path(folder)


def nothing(root: Path) -> dict[str, str]:
    return {"XDG_RUNTIME_DIR": str(root / "run")}


def test_a_machine_without_engines_has_none(root: Path) -> None:
    assert find_engines(nothing(root), home=root, root=root) == []


def test_a_socket_that_nobody_listens_on_is_named_with_the_reason(root: Path) -> None:
    path = root / "var/run/docker.sock"
    path.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    (found,) = find_engines(nothing(root), home=root, root=root)
    assert not found.manageable
    assert found.address.url == f"unix://{path}"
    assert "is the engine running?" in found.reason


def test_the_engine_that_the_environment_names_is_reported_although_it_is_down(root: Path) -> None:
    named = {**nothing(root), "DOCKER_HOST": f"unix://{root}/none.sock"}
    (found,) = find_engines(named, home=root, root=root)
    assert (found.manageable, found.address.connection) == (False, ConnectionType.UNIX)
    assert "no socket" in found.reason


def test_the_current_context_of_docker_is_followed(root: Path) -> None:
    folder = root / ".docker/contexts/meta" / hashlib.sha256(b"far").hexdigest()
    folder.mkdir(parents=True)
    (folder / "meta.json").write_text(json.dumps({"Endpoints": {"docker": {"Host": "ssh://root@far"}}}))
    (root / ".docker/config.json").write_text(json.dumps({"currentContext": "far"}))
    (found,) = find_engines(nothing(root), home=root, root=root)
    assert (found.address.name, found.address.url, found.manageable) == ("far", "ssh://root@far", False)
    assert "not by ssh" in found.reason


def test_the_current_context_of_kubernetes_is_named_and_said_not_to_be_managed(root: Path) -> None:
    config = {
        "current-context": "prod",
        "contexts": [{"name": "prod", "context": {"cluster": "c1"}}],
        "clusters": [{"name": "c1", "cluster": {"server": "https://k.example:6443"}}],
    }
    (root / "kube").write_text(json.dumps(config))
    (found,) = find_engines({**nothing(root), "KUBECONFIG": str(root / "kube")}, home=root, root=root)
    assert (found.address.runtime, found.address.url) == (RuntimeType.KUBERNETES, "https://k.example:6443")
    assert not found.manageable
    assert "Docker only" in found.reason


@pytest.mark.parametrize("broken", ["{", "[]", "just: [a", ""])
def test_a_broken_configuration_names_nothing(root: Path, broken: str) -> None:
    (root / ".docker").mkdir()
    (root / ".docker/config.json").write_text(broken)
    (root / "kube").write_text(broken)
    assert find_engines({**nothing(root), "KUBECONFIG": str(root / "kube")}, home=root, root=root) == []
