"""The engines that can be reached from this machine as it is set up, found without being told of any."""

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from uptainer.core.enums import ConnectionType, RuntimeType
from uptainer.core.errors import InvalidInputError, UptainerError
from uptainer.core.workloads import EngineFacts, HostAddress
from uptainer.runtimes.addresses import TLS_FOLDER, kubeconfig_url, parse_address
from uptainer.runtimes.connections import connect, identify
from uptainer.runtimes.docker_contexts import current_context

PROBE_TIMEOUT = 15.0
"""Seconds for each answer of an engine; all are asked side by side."""
TITLES: Mapping[RuntimeType, str] = MappingProxyType(
    {RuntimeType.DOCKER: "Docker", RuntimeType.PODMAN: "Podman", RuntimeType.KUBERNETES: "Kubernetes"}
)
_PROBES = 8


@dataclass(frozen=True, slots=True)
class FoundEngine:
    """`reason` says where it was found, or, where it is not `manageable`, why not and what to do."""

    address: HostAddress
    manageable: bool
    reason: str
    facts: EngineFacts | None = None


@dataclass(frozen=True, slots=True)
class _Place:
    """What somebody, or a socket, says; `where` is by which way."""

    name: str
    url: str
    where: str
    runtime: RuntimeType | None = None


def find_engines(
    environment: Mapping[str, str] = os.environ, *, home: Path | None = None, root: Path = Path("/")
) -> list[FoundEngine]:
    """Docker's and Podman's sockets, DOCKER_HOST and CONTAINER_HOST, Docker's and Kubernetes' current contexts; each once.

    Args:
        environment: where DOCKER_HOST, CONTAINER_HOST, KUBECONFIG and the like are looked up.
        home: the user's home directory, this user's where it is not given.
        root: the directory below which `/run` and `/var/run` are.
    """
    places: dict[str, _Place] = {}
    for place in _places(environment, home or Path.home(), root):
        places.setdefault(place.url, place)
    found: dict[str, FoundEngine] = {}
    with ThreadPoolExecutor(_PROBES, thread_name_prefix="probe") as pool:
        for each in pool.map(_probe, places.values()):
            found.setdefault(each.facts.id if each.facts else each.address.url, each)
    return list(found.values())


def _places(environment: Mapping[str, str], home: Path, root: Path) -> Iterator[_Place]:
    """What the user says stands first, so that an engine found twice has that name."""
    run = Path(environment.get("XDG_RUNTIME_DIR") or root / "run" / "user" / str(os.getuid()))
    if url := environment.get("DOCKER_HOST"):
        yield _Place("docker", _with_tls(url, environment, home), "DOCKER_HOST")
    else:
        yield from _docker_places(environment, home, root, run)
    if url := environment.get("CONTAINER_HOST"):
        yield _Place("podman", url, "CONTAINER_HOST", RuntimeType.PODMAN)
    for name, path in (
        ("podman", root / "run/podman/podman.sock"),
        ("podman-user", run / "podman/podman.sock"),
    ):
        if _is_there(path):
            yield _Place(name, f"unix://{path}", str(path), RuntimeType.PODMAN)
    yield from _clusters(environment, home)


def _docker_places(environment: Mapping[str, str], home: Path, root: Path, run: Path) -> Iterator[_Place]:
    """As for Docker's own client, they count only where DOCKER_HOST does not name another engine."""
    if context := current_context(environment):
        yield _Place(context.name, context.url, f"Docker's context {context.name}")
    for name, path in (
        ("local", root / "var/run/docker.sock"),
        ("rootless", run / "docker.sock"),
        ("desktop", home / ".docker/run/docker.sock"),
        ("desktop", home / ".docker/desktop/docker.sock"),
    ):
        if _is_there(path):
            yield _Place(name, f"unix://{path}", str(path))


def _with_tls(url: str, environment: Mapping[str, str], home: Path) -> str:
    """As Docker's own client: DOCKER_TLS_VERIFY asks for it, and DOCKER_CERT_PATH says where the files are."""
    url = url.replace("http://", "tcp://", 1)
    if not url.startswith("tcp://") or not environment.get("DOCKER_TLS_VERIFY"):
        return url
    return f"{url.rstrip('/')}?{TLS_FOLDER}={environment.get('DOCKER_CERT_PATH') or home / '.docker'}"


def _is_there(path: Path) -> bool:
    try:
        return path.is_socket()
    except OSError:
        return False  # a folder on the way that this user may not look into holds nothing that it may use


def _probe(place: _Place) -> FoundEngine:
    try:
        address = parse_address(place.name, place.url, runtime=place.runtime, timeout=PROBE_TIMEOUT)
    except InvalidInputError as refusal:
        known = HostAddress(place.name, place.runtime or RuntimeType.DOCKER, ConnectionType.TCP, place.url)
        return FoundEngine(known, manageable=False, reason=f"{place.where}: {refusal}")
    try:
        address = identify(address)
        with closing(connect(address)) as runtime:
            facts = runtime.engine()
    except UptainerError as refusal:
        return FoundEngine(address, manageable=False, reason=str(refusal))
    reason = f"{TITLES[address.runtime]} {facts.version} at {place.where}"
    return FoundEngine(address, manageable=True, reason=reason, facts=facts)


def _clusters(environment: Mapping[str, str], home: Path) -> Iterator[_Place]:
    """The current context of the first file that has one; within a cluster's pod, that cluster."""
    named = environment.get("KUBECONFIG", "").split(os.pathsep)
    for path in [Path(each) for each in named if each] or [home / ".kube/config"]:
        if context := _context(path):
            url = kubeconfig_url(str(path.absolute()), context)
            yield _Place(context, url, f"the context {context} of {path}")
            return
    if environment.get("KUBERNETES_SERVICE_HOST"):
        yield _Place("cluster", "in-cluster://", "the pod's own cluster")


def _context(path: Path) -> str:
    try:
        config = YAML(typ="safe").load(path)
    except (OSError, YAMLError):
        return ""  # a file that is missing or broken names no cluster, and kubectl complains about it
    return str(config.get("current-context") or "") if isinstance(config, dict) else ""
