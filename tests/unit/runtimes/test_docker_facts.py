"""How the engine's JSON is read where engines differ, or say less than one would think."""

from datetime import UTC, datetime
from typing import Any

import pytest

from uptainer.core.enums import ContainerStatus, Health
from uptainer.core.workloads import Port
from uptainer.runtimes.docker import facts
from uptainer.runtimes.engine import inspection
from uptainer.runtimes.engine.names import Role, name_of, role


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-22T17:18:28.475764377Z", datetime(2026, 11, 22, 17, 18, 28, 475764, UTC)),
        ("2026-11-22T17:18:28.5Z", datetime(2026, 11, 22, 17, 18, 28, 500000, UTC)),
        ("2026-11-22T17:18:28Z", datetime(2026, 11, 22, 17, 18, 28, 0, UTC)),
        ("0001-01-01T00:00:00Z", None),
        ("", None),
        (None, None),
    ],
)
def test_times_have_nanoseconds_and_year_one_is_never(text: str | None, moment: datetime | None) -> None:
    assert inspection.moment(text) == moment


CHECKED = {"Healthcheck": {"Test": ["CMD", "x"]}}


@pytest.mark.parametrize(
    ("config", "state", "health"),
    [
        ({}, {"Running": True}, Health.NONE),
        ({"Healthcheck": {"Test": ["NONE"]}}, {"Running": True}, Health.NONE),
        (CHECKED, {"Running": True, "Health": {"Status": "healthy"}}, Health.HEALTHY),
        (CHECKED, {"Running": True, "Health": {"Status": "unhealthy"}}, Health.UNHEALTHY),
        (CHECKED, {"Running": True}, Health.UNKNOWN),
        (CHECKED, {"Running": False, "Health": {"Status": "healthy"}}, Health.UNKNOWN),
    ],
)
def test_health_is_known_only_of_what_runs_and_is_checked(
    config: dict[str, Any], state: dict[str, Any], health: Health
) -> None:
    assert inspection.health({"Config": config, "State": state}) is health


def test_a_state_that_a_later_engine_invents_is_unknown() -> None:
    assert facts.status({"Status": "running"}) is ContainerStatus.RUNNING
    assert facts.status({"Status": "hibernating"}) is ContainerStatus.UNKNOWN


def test_ports_are_those_bound_or_else_those_asked_for() -> None:
    container = {
        "NetworkSettings": {
            "Ports": {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "32768"}], "90/udp": None}
        },
        "HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": "0"}], "443/tcp": [{"HostPort": ""}]}},
        "Config": {"ExposedPorts": {"90/udp": {}}},
    }
    assert list(facts.ports(container)) == [
        Port(443, "tcp", "", None),
        Port(80, "tcp", "0.0.0.0", 32768),
        Port(90, "udp"),
    ]


@pytest.mark.parametrize(
    ("label", "services"),
    [
        ("", []),
        ("db", [("db", False)]),
        ("db:service_healthy:true,cache:service_started:false", [("db", True), ("cache", False)]),
        (" db:service_started , ", [("db", False)]),
    ],
)
def test_composes_label_of_dependencies_is_read(label: str, services: list[tuple[str, bool]]) -> None:
    found = facts.compose_dependencies({facts.COMPOSE_DEPENDS_ON: label})
    assert [(each.service, each.restart) for each in found] == services


@pytest.mark.parametrize("each", Role)
def test_names_of_ours_are_told_by_what_they_are_there_for(each: Role) -> None:
    assert role(name_of(each, "shop-web-1", "0123456789abcdef")) is each


@pytest.mark.parametrize(
    "name", ["web", "uptainer-server", "uptainer-old", "uptainer-new-web-nothex", "uptainer-old-x"]
)
def test_other_names_are_not_ours(name: str) -> None:
    assert role(name) is None


def test_registries_that_it_asks_without_tls_are_named_one_by_one_and_as_ranges() -> None:
    config = {
        "IndexConfigs": {"docker.io": {"Secure": True}, "nas.lan:5000": {"Secure": False}},
        "InsecureRegistryCIDRs": ["127.0.0.0/8", "10.0.0.0/8"],
    }
    info = {"ID": "i", "Name": "n", "DockerRootDir": "/r", "NCPU": 1, "MemTotal": 1, "RegistryConfig": config}
    version = {"Version": "27.0", "ApiVersion": "1.46", "Os": "linux", "Arch": "amd64"}
    read = facts.engine_facts(info, version)
    assert read.insecure_registries == ("10.0.0.0/8", "127.0.0.0/8", "nas.lan:5000")
    assert facts.engine_facts({**info, "RegistryConfig": None}, version).insecure_registries == ()
