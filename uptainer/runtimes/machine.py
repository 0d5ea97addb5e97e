"""The engines that can be reached from this machine as it is set up, found without being told of any."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from uptainer.core.enums import ConnectionType, RuntimeType
from uptainer.core.errors import UptainerError
from uptainer.core.workloads import EngineFacts, HostAddress
from uptainer.runtimes.docker import facts
from uptainer.runtimes.engine.client import Engine

PROBE_TIMEOUT = 5.0
_SCHEMES = {
    "unix": ConnectionType.UNIX,
    "tcp": ConnectionType.TCP,
    "http": ConnectionType.TCP,
    "ssh": ConnectionType.SSH,
}


@dataclass(frozen=True, slots=True)
class FoundEngine:
    """`reason` says where it was found, or, where it is not `manageable`, why not and what to do."""

    address: HostAddress
    manageable: bool
    reason: str
    facts: EngineFacts | None = None


def find_engines(
    environment: Mapping[str, str] = os.environ, *, home: Path | None = None, root: Path = Path("/")
) -> list[FoundEngine]:
    """Docker and Podman sockets, `DOCKER_HOST`, Docker's and Kubernetes' current contexts; each engine once.

    Args:
        environment: where DOCKER_HOST, DOCKER_CONTEXT, KUBECONFIG and XDG_RUNTIME_DIR are looked up.
        home: the user's home directory, this user's where it is not given.
        root: the directory below which `/run` and `/var/run` are.
    """
    at_home = home or Path.home()
    found: dict[str, FoundEngine] = {}
    for address, where in _addresses(environment, at_home, root):
        if not any(each.address.url == address.url for each in found.values()):
            engine = _probe(address, where)
            found.setdefault(engine.facts.id if engine.facts else address.url, engine)
    return [*found.values(), *_kubernetes(environment, at_home)]


def _addresses(environment: Mapping[str, str], home: Path, root: Path) -> Iterator[tuple[HostAddress, str]]:
    """What the user says stands first, so that an engine found twice has that name."""
    run = Path(environment.get("XDG_RUNTIME_DIR") or root / "run" / "user" / str(os.getuid()))
    if url := environment.get("DOCKER_HOST"):
        yield _docker("docker", url), "DOCKER_HOST"
    else:
        yield from _docker_addresses(environment, home, root, run)
    for name, path in (
        ("podman", root / "run/podman/podman.sock"),
        ("podman-user", run / "podman/podman.sock"),
    ):
        if _is_there(path):
            yield _docker(name, f"unix://{path}"), str(path)


def _docker_addresses(
    environment: Mapping[str, str], home: Path, root: Path, run: Path
) -> Iterator[tuple[HostAddress, str]]:
    """As for Docker's own client, they count only where DOCKER_HOST does not name another engine."""
    context = environment.get("DOCKER_CONTEXT") or _current_context(home)
    if context and context != "default" and (url := _context_url(home, context)):
        yield _docker(context, url), f"Docker's context {context}"
    for name, path in (
        ("local", root / "var/run/docker.sock"),
        ("rootless", run / "docker.sock"),
        ("desktop", home / ".docker/run/docker.sock"),
        ("desktop", home / ".docker/desktop/docker.sock"),
    ):
        if _is_there(path):
            yield _docker(name, f"unix://{path}"), str(path)


def _is_there(path: Path) -> bool:
    try:
        return path.is_socket()
    except OSError:
        return False  # a folder on the way that this user may not look into holds nothing that it may use


def _docker(name: str, url: str) -> HostAddress:
    connection = _SCHEMES.get(url.partition("://")[0], ConnectionType.TCP)
    return HostAddress(name, RuntimeType.DOCKER, connection, url, timeout=PROBE_TIMEOUT)


def _probe(address: HostAddress, where: str) -> FoundEngine:
    try:
        engine = Engine(address)
    except UptainerError as refusal:
        return FoundEngine(address, manageable=False, reason=str(refusal))
    try:
        known = facts.engine_facts(engine.get("/info", about="itself"), engine.version)
        podman = facts.is_podman(engine.version)
    except UptainerError as refusal:
        return FoundEngine(address, manageable=False, reason=str(refusal))
    finally:
        engine.close()
    if podman:
        as_podman = HostAddress(
            address.name, RuntimeType.PODMAN, address.connection, address.url, timeout=address.timeout
        )
        reason = f"Podman {known.version} at {where}: this version manages Docker only"
        return FoundEngine(as_podman, manageable=False, reason=reason, facts=known)
    return FoundEngine(address, manageable=True, reason=f"Docker {known.version} at {where}", facts=known)


def _current_context(home: Path) -> str:
    return str(_read_json(home / ".docker/config.json").get("currentContext") or "")


def _context_url(home: Path, context: str) -> str:
    """Docker keeps each context in a folder named by the SHA-256 of its name."""
    folder = hashlib.sha256(context.encode()).hexdigest()
    meta = _read_json(home / ".docker/contexts/meta" / folder / "meta.json")
    return str(((meta.get("Endpoints") or {}).get("docker") or {}).get("Host") or "")


def _read_json(path: Path) -> dict[str, Any]:
    """A file that is missing or broken names no engine, and the engine's own client complains about it."""
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _kubernetes(environment: Mapping[str, str], home: Path) -> Iterator[FoundEngine]:
    named = environment.get("KUBECONFIG", "").split(os.pathsep)
    for path in [Path(each) for each in named if each] or [home / ".kube/config"]:
        if context := _kubernetes_context(path):
            name, server = context
            address = HostAddress(name, RuntimeType.KUBERNETES, ConnectionType.KUBECONFIG, server)
            reason = f"Kubernetes context {name} in {path}: this version manages Docker only"
            yield FoundEngine(address, manageable=False, reason=reason)
            return


def _kubernetes_context(path: Path) -> tuple[str, str] | None:
    """The current context's name, and the address of its cluster as far as the file has it."""
    try:
        config = YAML(typ="safe").load(path)
    except (OSError, YAMLError):
        return None
    if not isinstance(config, dict) or not (name := config.get("current-context")):
        return None
    contexts = {each["name"]: each.get("context") or {} for each in config.get("contexts") or ()}
    clusters = {each["name"]: each.get("cluster") or {} for each in config.get("clusters") or ()}
    cluster = contexts.get(name, {}).get("cluster", "")
    return str(name), str(clusters.get(cluster, {}).get("server", ""))
