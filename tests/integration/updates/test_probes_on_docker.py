"""Probes against a real container: over its published port, over its own address, and inside it."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from tests.lab.docker import DockerEngine
from tests.lab.images import make_image
from tests.lab.registry import Registry
from tests.lab.room import wait_until
from uptainer.core.clock import Clock
from uptainer.core.enums import ConnectionType, RuntimeType
from uptainer.core.workloads import HostAddress
from uptainer.policy.probes import ExecProbe, HttpProbe, Probe, TcpProbe
from uptainer.runtimes.docker.runtime import DockerRuntime
from uptainer.updates.health import HealthPlan, Proof, prove

SERVES = (
    "/bin/sh",
    "-c",
    "mkdir -p /www && echo all is well > /www/index.html && exec httpd -f -p 8080 -h /www",
)
ASK = ["wget", "-qO-", "http://127.0.0.1:8080/"]
SOON = timedelta(seconds=0.05)


@pytest.fixture(scope="module")
def image(docker_engine: DockerEngine, registry: Registry) -> str:
    reference = registry.reference("probes:1")
    make_image(docker_engine, reference, cmd=SERVES)
    return reference


@pytest.fixture
def runtime(clean_engine: DockerEngine) -> Iterator[DockerRuntime]:
    with DockerRuntime(HostAddress("h", RuntimeType.DOCKER, ConnectionType.UNIX, clean_engine.url)) as opened:
        yield opened


@pytest.mark.parametrize("published", [True, False], ids=["published", "own-address"])
@pytest.mark.parametrize(
    ("probe", "proof", "said"),
    [
        (HttpProbe(port=8080, interval=SOON), Proof.HEALTHY, "answered 200"),
        (HttpProbe(port=8080, contains="all is well", interval=SOON), Proof.HEALTHY, "answered 200"),
        (
            HttpProbe(port=8080, contains="something else", interval=SOON),
            Proof.UNHEALTHY,
            "without 'something else'",
        ),
        (HttpProbe(port=8080, path="/none", interval=SOON), Proof.UNHEALTHY, "answered 404"),
        (HttpProbe(port=8080, path="/none", status=404, interval=SOON), Proof.HEALTHY, "answered 404"),
        (TcpProbe(port=8080, interval=SOON), Proof.HEALTHY, "accepts connections"),
        (TcpProbe(port=8081, interval=SOON), Proof.UNHEALTHY, "refused"),
        (ExecProbe(command=("test", "-f", "/www/index.html"), interval=SOON), Proof.HEALTHY, "status 0"),
        (
            ExecProbe(command=("sh", "-c", "echo no disk; exit 3"), interval=SOON),
            Proof.UNHEALTHY,
            "status 3: no disk",
        ),
        (ExecProbe(command=("no-such-program",), interval=SOON), Proof.UNHEALTHY, "no-such-program"),
    ],
)
def test_a_probe_tells_what_the_workload_does(  # noqa: PLR0917 -- a row of the table
    clean_engine: DockerEngine,
    image: str,
    runtime: DockerRuntime,
    probe: Probe,
    proof: Proof,
    said: str,
    *,
    published: bool,
) -> None:
    ports: Any = {"8080/tcp": ("127.0.0.1", None)} if published else {}
    web = clean_engine.client.containers.run(image, detach=True, name="web", ports=ports)
    patience = timedelta(seconds=30)
    if proof is Proof.UNHEALTHY:
        wait_until(lambda: web.exec_run(ASK).exit_code == 0, what="the page was not served")
        patience = timedelta(seconds=1.5)
    plan = HealthPlan(probes=(probe,), deadline=patience, interval=SOON)
    judgement = prove(runtime, "web", plan, Clock())
    assert judgement.proof is proof, judgement.reason
    assert said in judgement.reason
