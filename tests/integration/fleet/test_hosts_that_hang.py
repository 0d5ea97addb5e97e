"""A host that hangs costs its own patience, and nobody else's."""

import asyncio
from functools import partial
from typing import Any

import anyio

from flows.sweeping import HOSTS_AT_ONCE, Swept, sweep
from tests.integration.fleet.house import House
from tests.lab.hanging import OddServer, never_answers
from tests.lab.replacing import address_of
from tests.lab.room import wait_until
from uptainer.core.errors import UnreachableError
from uptainer.core.workloads import HostAddress
from uptainer.fleet.discovery import HostReport, discover_host, in_turn
from uptainer.runtimes.addresses import parse_address
from uptainer.runtimes.connections import connect
from uptainer.store.models import ContainerHost
from uptainer.store.repositories.hosts import HostRepository

HANGING = 12
PATIENCE = 600.0
"""More than the test may take: what is waited for here does not come to its end by itself."""


def test_the_others_are_recorded_while_it_still_hangs(house: House) -> None:
    servers = [OddServer(never_answers) for _ in range(HANGING)]
    hanging = [
        parse_address(f"hangs-{n}", f"tcp://127.0.0.1:{server.port}", timeout=PATIENCE)
        for n, server in enumerate(servers)
    ]
    add(house, *hanging)
    try:
        swept = asyncio.run(discover_until_recorded(house, [*hanging, address_of(house.engine)], servers))
    finally:
        close(servers)
    assert [report.host for report in swept.results] == ["lab"]
    assert {type(error) for _, error in swept.failures} == {UnreachableError}
    assert {host.name: host.reachable for host in hosts(house)} == {
        "lab": True,
        **{address.name: False for address in hanging},
    }


async def discover_until_recorded(
    house: House, addresses: list[HostAddress], servers: list[OddServer]
) -> Swept[HostAddress, HostReport]:
    """Side by side as the flow does it; the servers hang up when the host that answers has been recorded."""

    async def discover(address: HostAddress) -> HostReport:
        call: Any = partial(discover_host, house.database, address, connect)
        report: HostReport = await anyio.to_thread.run_sync(call)
        wait_until(lambda: is_recorded(house), what="the host that answers was not recorded")
        close(servers)
        return report

    return await sweep(addresses, discover, at_once=HOSTS_AT_ONCE)


def is_recorded(house: House) -> bool:
    return any(host.name == "lab" and host.reachable for host in hosts(house))


def test_a_host_that_did_not_answer_last_time_is_asked_after_the_others(house: House) -> None:
    add(house, *(parse_address(name, f"unix:///{name}.sock") for name in ("a", "b", "c")))
    with house.database.session() as session:
        HostRepository(session).by_name("a").reachable = False
        HostRepository(session).by_name("b").reachable = True
    assert [host.name for host in in_turn(hosts(house))] == ["b", "c", "lab", "a"]


def add(house: House, *addresses: HostAddress) -> None:
    with house.database.session() as session:
        for address in addresses:
            HostRepository(session).add(address)


def hosts(house: House) -> list[ContainerHost]:
    with house.database.session() as session:
        return list(HostRepository(session).all())


def close(servers: list[OddServer]) -> None:
    for server in servers:
        server.close()
