"""Replacing containers in tests: all steps in a row, and what of an inspection has to be the same afterwards."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tests.lab.docker import DockerEngine
from tests.lab.podman import PodmanEngine
from uptainer.core.enums import ConnectionType, RuntimeType
from uptainer.core.reference import Reference
from uptainer.core.workloads import HostAddress
from uptainer.runtimes.connections import connect
from uptainer.runtimes.port import Phase, ReplacementPlan, ReplacementRequest, Runtime

Json = dict[str, Any]

LOOPBACK = f"127.1.{os.getpid() // 250 % 250}.{os.getpid() % 250 + 1}"
"""An address of this test process alone, so that fixed ports of several do not meet."""

ANONYMOUS_NAME = re.compile(r"[0-9a-f]{64}")
ANONYMOUS_BIND = re.compile(r"[0-9a-f]{64}:/[^:]*(:ro)?")
MUST_DIFFER = (
    "Id",
    "Created",
    "Image",
    "ResolvConfPath",
    "HostnamePath",
    "HostsPath",
    "LogPath",
    "GraphDriver",
)
GIVEN_BY_ENGINE = ("SandboxID", "SandboxKey", "EndpointID")
ADDRESSES = ("IPAddress", "GlobalIPv6Address", "MacAddress")


def address_of(engine: DockerEngine, name: str = "lab") -> HostAddress:
    return HostAddress(name, RuntimeType.DOCKER, ConnectionType.UNIX, engine.url)


@contextmanager
def open_runtime(engine: DockerEngine) -> Iterator[Runtime]:
    with connect(address_of(engine)) as runtime:
        yield runtime


def run_docker(engine: DockerEngine, *arguments: str) -> str:
    program = shutil.which("docker")
    assert program, "the client comes with the engine"
    done = subprocess.run(
        [program, "--host", engine.url, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr}"
    return done.stdout.strip()


def make_network(engine: DockerEngine, name: str, *, part: int = 0) -> str:
    """A network with addresses of a `part` of the room; the first three numbers of them."""
    numbers = engine.room.part(part)
    run_docker(engine, "network", "create", "--subnet", f"{numbers}.0/24", name)
    return numbers


def make_podman_network(engine: PodmanEngine, name: str, *, part: int = 0) -> None:
    """As `make_network`. Podman looks at all interfaces of the machine for it, and gives up where one goes meanwhile."""
    for _ in range(20):
        try:
            engine.podman("network", "create", "--subnet", f"{engine.room.part(part)}.0/24", name)
        except AssertionError as error:
            if "no such network interface" not in str(error):
                raise
        else:
            return
    raise AssertionError(f"interfaces come and go all the time: the network {name} was not made")


def request_for(key: str, reference: str, digest: str, **options: Any) -> ReplacementRequest:
    tag = Reference.parse(reference)
    return ReplacementRequest(key=key, image=tag.with_digest(digest), tag=tag, **options)


def perform_all(
    runtime: Runtime, request: ReplacementRequest, *, finish: bool = True
) -> tuple[ReplacementPlan, dict[str, Any]]:
    plan = runtime.plan_replacement(request)
    results: dict[str, Any] = {}
    touching = next(step for step in plan.steps if step.phase is not Phase.PREPARE)
    for step in plan.steps:
        if step is touching:
            assert tuple(runtime.affected_by(request.key)) == plan.affected, "an update would plan it anew"
        if finish or step.phase is not Phase.FINISH:
            results[step.name] = runtime.perform(step.name, request, plan.document, results)
    return plan, results


def revert_all(
    runtime: Runtime, request: ReplacementRequest, plan: ReplacementPlan, results: Mapping[str, Any]
) -> None:
    for step in reversed(plan.steps):
        if step.phase is not Phase.FINISH:
            runtime.revert(step.name, request, plan.document, results)


def comparable(inspected: Mapping[str, Any], image_labels: Mapping[str, str]) -> Json:
    """An inspection without what has to differ: ids, times, the image, and what the engine chooses at each start."""
    container: Json = {name: value for name, value in inspected.items() if name not in MUST_DIFFER}
    short = str(inspected["Id"])[:12]
    container["State"] = inspected["State"]["Status"]
    container["Mounts"] = sorted(
        map(_mount, inspected["Mounts"]), key=lambda mount: str(mount["Destination"])
    )
    container["Config"] = _config(inspected["Config"], short, image_labels)
    container["HostConfig"] = _host_config(inspected["HostConfig"])
    container["NetworkSettings"] = _networks(inspected["NetworkSettings"], short)
    return container


def _mount(mount: Json) -> Json:
    """The engine notes "z", its default, as the mode of a volume that is asked for by name."""
    return {**mount, "Mode": mount["Mode"] or "z"} if mount["Type"] == "volume" else mount


def _config(config: Json, short: str, image_labels: Mapping[str, str]) -> Json:
    labels = {name: value for name, value in (config["Labels"] or {}).items() if name not in image_labels}
    hostname = "<short id>" if config["Hostname"] == short else config["Hostname"]
    return {**config, "Image": "<image>", "Labels": labels, "Hostname": hostname}


def _host_config(host: Json) -> Json:
    """A carried over volume that nobody named is asked for by the name that the engine gave it."""
    binds = [bind for bind in host["Binds"] or () if not ANONYMOUS_BIND.fullmatch(bind)]
    mounts = [_asked_mount(mount) for mount in host.get("Mounts") or ()]
    return {**host, "Binds": binds, "Mounts": mounts}


def _asked_mount(mount: Json) -> Json:
    unnamed = ANONYMOUS_NAME.fullmatch(str(mount.get("Source", "")))
    return {name: value for name, value in mount.items() if not (unnamed and name == "Source")}


def _networks(settings: Json, short: str) -> Json:
    """Addresses and host ports only where they were asked for; `Ports` is judged by HostConfig.PortBindings."""
    hidden = (*GIVEN_BY_ENGINE, *ADDRESSES, "Ports")
    kept = {name: value for name, value in settings.items() if name not in hidden}
    kept["Networks"] = {name: _endpoint(each, short) for name, each in (settings["Networks"] or {}).items()}
    return kept


def _endpoint(endpoint: Json, short: str) -> Json:
    asked = endpoint.get("IPAMConfig") or {}
    hidden = {*GIVEN_BY_ENGINE, "MacAddress"}
    hidden |= set() if asked.get("IPv4Address") else {"IPAddress"}
    hidden |= set() if asked.get("IPv6Address") else {"GlobalIPv6Address"}
    kept = {name: value for name, value in endpoint.items() if name not in hidden}
    aliases = ("<short id>" if each == short else each for each in endpoint["Aliases"] or ())
    return {**kept, "Aliases": sorted(aliases), "IPAMConfig": {key: v for key, v in asked.items() if v}}
