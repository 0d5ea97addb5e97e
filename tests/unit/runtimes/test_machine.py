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


@pytest.fixture
def docker_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where Docker's library looks."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    return tmp_path


def write_context(folder: Path, name: str, url: str) -> Path:
    """As `docker context create` does it; returns the folder that its TLS files belong into."""
    hashed = hashlib.sha256(name.encode()).hexdigest()
    meta = folder / "contexts/meta" / hashed
    meta.mkdir(parents=True)
    endpoint = {"Host": url, "SkipTLSVerify": False}
    (meta / "meta.json").write_text(
        json.dumps({"Name": name, "Metadata": {}, "Endpoints": {"docker": endpoint}})
    )
    (folder / "config.json").write_text(json.dumps({"currentContext": name}))
    tls = folder / "contexts/tls" / hashed / "docker"
    tls.mkdir(parents=True)
    return tls


def test_the_current_context_of_docker_is_followed(root: Path, docker_folder: Path) -> None:
    write_context(docker_folder, "far", "tcp://192.0.2.1:2375")
    (found,) = find_engines(nothing(root), home=root, root=root)
    assert (found.address.name, found.address.url, found.manageable) == ("far", "tcp://192.0.2.1:2375", False)
    assert "without encryption on a network" in found.reason


def test_a_contexts_own_certificates_are_used(root: Path, docker_folder: Path) -> None:
    tls = write_context(docker_folder, "far", "tcp://127.0.0.1:1")
    for name in ("ca", "cert", "key"):
        (tls / f"{name}.pem").write_text("none")
    (found,) = find_engines(nothing(root), home=root, root=root)
    assert found.address.url == f"tcp://127.0.0.1:1?cert_path={tls}"
    assert "CA certificate is not a certificate" in found.reason


def test_the_certificates_that_docker_host_goes_with_are_used(root: Path) -> None:
    named = {
        **nothing(root),
        "DOCKER_HOST": "tcp://192.0.2.1:2376",
        "DOCKER_TLS_VERIFY": "1",
        "DOCKER_CERT_PATH": str(root),
    }
    (found,) = find_engines(named, home=root, root=root)
    assert found.address.url == f"tcp://192.0.2.1:2376?cert_path={root}"
    assert "there is no" in found.reason
    assert "ca.pem" in found.reason


def test_a_context_whose_file_is_broken_names_nothing(root: Path, docker_folder: Path) -> None:
    write_context(docker_folder, "far", "tcp://192.0.2.1:2375")
    (meta,) = docker_folder.glob("contexts/meta/*/meta.json")
    meta.write_text("{")
    assert find_engines(nothing(root), home=root, root=root) == []


def test_the_podman_that_the_environment_names_is_reported_as_podman(root: Path) -> None:
    named = {**nothing(root), "CONTAINER_HOST": f"unix://{root}/none.sock"}
    (found,) = find_engines(named, home=root, root=root)
    assert (found.address.runtime, found.manageable) == (RuntimeType.PODMAN, False)


def test_the_current_context_of_kubernetes_is_asked(root: Path) -> None:
    config = {
        "current-context": "prod",
        "contexts": [{"name": "prod", "context": {"cluster": "c1", "user": "u"}}],
        "clusters": [{"name": "c1", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }
    (root / "kube").write_text(json.dumps(config))
    (found,) = find_engines({**nothing(root), "KUBECONFIG": str(root / "kube")}, home=root, root=root)
    assert (found.address.runtime, found.address.connection) == (
        RuntimeType.KUBERNETES,
        ConnectionType.KUBECONFIG,
    )
    assert found.address.url == f"kubeconfig://{root}/kube?context=prod"
    assert not found.manageable


def test_an_address_that_is_none_is_said_with_where_it_stands(root: Path) -> None:
    (found,) = find_engines({**nothing(root), "DOCKER_HOST": "fd://"}, home=root, root=root)
    assert not found.manageable
    assert "DOCKER_HOST: 'fd://' is not an engine's or a cluster's address" in found.reason


@pytest.mark.parametrize("broken", ["{", "[]", "just: [a", ""])
def test_a_broken_configuration_names_nothing(root: Path, docker_folder: Path, broken: str) -> None:
    (docker_folder / "config.json").write_text(broken)
    (root / "kube").write_text(broken)
    assert find_engines({**nothing(root), "KUBECONFIG": str(root / "kube")}, home=root, root=root) == []
