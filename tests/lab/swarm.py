"""A swarm of the tests' own: private Docker engines that find each other on loopback addresses nobody else has.

Tasks run, overlay networks and ports in host mode too. Ports published by the ingress network are routed by the
kernel's IPVS, which not every machine has: nothing here connects to one.
"""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import httpx
from docker.errors import APIError, NotFound

from tests.lab.docker import DockerEngine
from tests.lab.room import Room, wait_until

GATEWAY = "docker_gwbridge"
"""The bridge that each node makes for its tasks; where a network of that name stands already, it takes that one."""

HALF_A_SECOND = 500_000_000
"""In nanoseconds, as the API has it."""

_PARTS = 16
_PORT = 2377
_FIRST_DATA_PORT = 4800
_ENGINES_OWN = frozenset({"bridge", "host", "none", "ingress", GATEWAY})


class SwarmNode(DockerEngine):
    """One engine of a swarm, with bridges and addresses beside those of the room's other engines.

    Args:
        number: 0 is the manager; others are told to `join` it.
    """

    def __init__(self, room: Room, number: int = 0) -> None:
        self.number = number
        self._gateway_bridge = f"{room.bridge}g{number}"
        network = list(room.network.subnets(new_prefix=20))[_PARTS - 1 - number]
        *_, self._gateway_network = network.subnets(new_prefix=24)
        *_, self._overlays, _ = network.subnets(new_prefix=22)
        super().__init__(room, bridge=f"{room.bridge}s{number}", network=network)
        self._make_gateway()

    @property
    def loopback(self) -> str:
        """Its address among the nodes. The port for gossip is fixed, so each node has an address of its own."""
        return f"127.140.{self.room.number}.{self.number + 1}"

    @property
    def node_id(self) -> str:
        return str(self.client.info()["Swarm"]["NodeID"])

    def init(self) -> None:
        self.call(
            "POST",
            "/swarm/init",
            {
                **self._addresses(),
                "DefaultAddrPool": [str(self._overlays)],
                "SubnetSize": 26,
                "DataPathPort": _FIRST_DATA_PORT + self.room.number,
            },
        )

    def join(self, manager: "SwarmNode") -> None:
        """As a worker."""
        tokens = manager.call("GET", "/swarm")["JoinTokens"]
        remote = f"{manager.loopback}:{_PORT}"
        self.call(
            "POST",
            "/swarm/join",
            {**self._addresses(), "RemoteAddrs": [remote], "JoinToken": tokens["Worker"]},
        )

    def accept_tasks(self, node: "SwarmNode", *, accepts: bool) -> None:
        """Whether tasks may run there."""
        self._change(f"/nodes/{node.node_id}", {"Availability": "active" if accepts else "drain"})

    def dismiss(self, node: "SwarmNode") -> None:
        """Have the swarm forget a node, which leaves it."""
        node_id = node.node_id
        node.call("POST", "/swarm/leave?force=1")
        self.call("DELETE", f"/nodes/{node_id}?force=1")

    def tasks(self, service: str, *, wanted: bool = True) -> list[dict[str, Any]]:
        """Of a service, as the manager tells of them: those that are to run, or all; none where there is no such service."""
        ids = [each["ID"] for each in self.call("GET", "/services") if each["Spec"]["Name"] == service]
        return [
            each
            for each in self.call("GET", "/tasks")
            if each["ServiceID"] in ids and (not wanted or each["DesiredState"] == "running")
        ]

    def service(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.call("GET", f"/services/{name}")
        return found

    def create_service(self, name: str, image: str, **options: Any) -> None:
        """One task that is watched for half a second. `options` are the API's own: `ServiceSpec`, its keys replaced."""
        spec = {
            "Name": name,
            "TaskTemplate": {"ContainerSpec": {"Image": image}},
            "UpdateConfig": {"Parallelism": 1, "Monitor": HALF_A_SECOND},
            "RollbackConfig": {"Parallelism": 1, "Monitor": HALF_A_SECOND},
            **options,
        }
        self.call("POST", "/services/create", spec)

    def update_service(self, name: str, **changes: Any) -> None:
        """As somebody else at the same swarm would."""
        self._change(f"/services/{self.service(name)['ID']}", changes)

    def _change(self, path: str, changes: Mapping[str, Any]) -> None:
        """Again where the swarm has noted something of it meanwhile."""
        for _ in range(20):
            found = self.call("GET", path)
            try:
                self.call(
                    "POST",
                    f"{path}/update?version={found['Version']['Index']}",
                    {**found["Spec"], **changes},
                )
            except AssertionError as error:
                if "out of sequence" not in str(error):
                    raise
            else:
                return
        raise AssertionError(f"{path} is changed all the time")

    def await_running(self, service: str, number: int = 1) -> None:
        wait_until(
            lambda: [each["Status"]["State"] for each in self.tasks(service)] == ["running"] * number,
            what=f"{number} tasks of {service} did not run",
            pause=0.1,
        )

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The engine's API as it is: the client knows less of it."""
        transport = httpx.HTTPTransport(uds=self.url.removeprefix("unix://"))
        with httpx.Client(transport=transport, timeout=60) as http:
            answer = http.request(method, f"http://docker{path}", json=body)
        assert answer.is_success, f"{method} {path}: {answer.text}"
        return answer.json() if answer.content.strip() else None

    def clear(self) -> None:
        """Remove every service, container, volume and network that tests made; images stay."""
        if self.client.info()["Swarm"]["ControlAvailable"]:
            for service in self.call("GET", "/services"):
                self.call("DELETE", f"/services/{service['ID']}")
        for container in self.client.containers.list(all=True, ignore_removed=True):
            with suppress(NotFound, APIError):
                container.remove(force=True, v=True)
        self._clear_networks()
        for volume in self.client.volumes.list():
            with suppress(NotFound, APIError):
                volume.remove(force=True)

    def close(self) -> None:
        super().close()
        subprocess.run(
            ["ip", "link", "delete", self._gateway_bridge], check=False, capture_output=True, timeout=15
        )

    def _clear_networks(self) -> None:
        """A service's network can go when its last task has gone, a moment after the service."""

        def are_gone() -> bool:
            networks = [each for each in self.client.networks.list() if each.name not in _ENGINES_OWN]
            for network in networks:
                with suppress(NotFound, APIError):
                    network.remove()
            return not networks

        wait_until(are_gone, what="the networks of the tests were not removed", pause=0.2)

    def _make_gateway(self) -> None:
        """Before the engine makes it: its own has one name on the machine, and every swarm there would share it."""
        options = {"com.docker.network.bridge.name": self._gateway_bridge}
        pool = {"Config": [{"Subnet": str(self._gateway_network)}]}
        self.call(
            "POST",
            "/networks/create",
            {"Name": GATEWAY, "Driver": "bridge", "Options": options, "IPAM": pool},
        )

    def _addresses(self) -> dict[str, str]:
        return {"ListenAddr": f"{self.loopback}:{_PORT}", "AdvertiseAddr": self.loopback}


def start_manager(room: Room) -> SwarmNode:
    """A swarm of one node."""
    manager = SwarmNode(room)
    with _closed_on_failure(manager):
        manager.init()
    return manager


def start_worker(room: Room, manager: SwarmNode) -> SwarmNode:
    """A second node, which takes no tasks until it is told to."""
    worker = SwarmNode(room, number=1)
    with _closed_on_failure(worker):
        worker.join(manager)
        wait_until(
            lambda: worker.node_id in {each.id for each in manager.client.nodes.list()},
            what="the worker did not join",
        )
        manager.accept_tasks(worker, accepts=False)
    return worker


@contextmanager
def _closed_on_failure(node: SwarmNode) -> Iterator[None]:
    try:
        yield
    except (AssertionError, httpx.TransportError, TimeoutError):
        node.close()
        raise
