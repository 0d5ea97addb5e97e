"""What was asked for on a network, told from what the engine gave; by the API version that the engine speaks."""

from typing import Any

import pytest

from uptainer.runtimes.docker.networks import first_network, own_endpoints
from uptainer.runtimes.docker.swap import Surroundings, swap_of

ID = "abcdef012345" + "0" * 52
DERIVED = {"IPAddress": "10.1.0.7", "MacAddress": "02:42:0a:01:00:07"}
RANDOM = {"IPAddress": "10.1.0.7", "MacAddress": "ce:1f:22:33:44:55"}


def container(mode: str, networks: dict[str, Any], mac: str = "") -> dict[str, Any]:
    return {
        "Id": ID,
        "Name": "/web",
        "Image": "sha256:1",
        "State": {"Status": "running"},
        "Config": {"Hostname": "web", "Image": "app:1", "MacAddress": mac},
        "HostConfig": {"NetworkMode": mode},
        "NetworkSettings": {"Networks": networks},
    }


def test_the_short_id_is_no_alias_and_what_is_not_set_is_left_out() -> None:
    endpoint = {
        "Aliases": ["web", ID[:12]],
        "IPAMConfig": None,
        "Links": None,
        "DriverOpts": None,
        "GwPriority": 0,
    }
    assert own_endpoints(container("front", {"front": endpoint}), "1.41") == {"front": {"Aliases": ["web"]}}


def test_addresses_links_options_and_priority_are_kept() -> None:
    endpoint = {
        "IPAMConfig": {"IPv4Address": "10.1.0.7", "IPv6Address": "fd::7", "LinkLocalIPs": ["169.254.1.1"]},
        "Links": ["db:database"],
        "DriverOpts": {},
        "GwPriority": 5,
    }
    assert own_endpoints(container("front", {"front": endpoint}), "1.48") == {"front": endpoint}


@pytest.mark.parametrize("mode", ["host", "none", "container:" + ID])
def test_a_container_without_networks_of_its_own_asks_for_none(mode: str) -> None:
    assert own_endpoints(container(mode, {"host": {}}), "1.41") == {}


@pytest.mark.parametrize(
    ("version", "endpoint", "configured", "kept"),
    [
        ("1.41", RANDOM, "ce:1f:22:33:44:55", None),
        ("1.44", DERIVED, "", None),
        ("1.47", RANDOM, "", None),
        ("1.47", RANDOM, "ce:1f:22:33:44:55", "ce:1f:22:33:44:55"),
        ("1.52", DERIVED, "", None),
        ("1.52", RANDOM, "", "ce:1f:22:33:44:55"),
    ],
)
def test_a_mac_address_is_kept_on_its_network_where_it_was_chosen(
    version: str, endpoint: dict[str, str], configured: str, kept: str | None
) -> None:
    found = own_endpoints(container("front", {"front": endpoint}, configured), version)
    assert found["front"].get("MacAddress") == kept


@pytest.mark.parametrize(
    ("mode", "name"),
    [("default", "bridge"), ("bridge", "bridge"), ("front", "front"), ("net-id", "front"), ("gone", "gone")],
)
def test_the_first_network_is_the_one_of_the_mode(mode: str, name: str) -> None:
    assert first_network(container(mode, {"front": {"NetworkID": "net-id"}})) == name


@pytest.mark.parametrize(("version", "at_creation"), [("1.41", {"front"}), ("1.44", {"front", "back"})])
def test_creation_takes_as_many_networks_as_the_engine_allows(version: str, at_creation: set[str]) -> None:
    networks = {"front": {"Aliases": ["a"]}, "back": {"Aliases": ["b"]}}
    around = Surroundings("server", version, {})
    swap = swap_of(container("front", networks, "02:00:00:00:00:01"), {"Config": {}}, "app:1", around)
    assert set(swap.body["NetworkingConfig"]["EndpointsConfig"]) == at_creation
    assert set(swap.endpoints) == {"back"}
    assert swap.body.get("MacAddress") == ("02:00:00:00:00:01" if version == "1.41" else None)


def test_a_network_that_was_left_is_left_again() -> None:
    swap = swap_of(
        container("front", {"back": {}}), {"Config": {}}, "app:1", Surroundings("server", "1.41", {})
    )
    assert (swap.detached, set(swap.endpoints)) == ("front", {"back"})
